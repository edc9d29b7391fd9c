-- The ledger: one SQLite file that knows every question that was paid for.
--
-- A task is a question. An attempt is one try to have it answered; its row is committed BEFORE the
-- request is sent, with the most that it can cost. A reply is what came back, byte for byte, committed
-- BEFORE it is parsed. A label or a reject is what the parser made of the reply; both tables can be
-- dropped and made again (`interestingness ledger verify`). Nothing else decides what is bought.
--
--     attempt.state                         what counts against the budget (attempt.charge_uusd)
--     open         committed, on its way     the reserve
--     received     reply stored, not parsed  the reserve
--     judged       label or reject made      the true cost; the reserve if usage was not told
--     failed_free  certainly not charged, or 0
--                  the server failed
--     in_doubt     sent, no answer: nobody   the reserve
--                  knows whether it was paid
--     written_off  in doubt, bought again:   the reserve, for ever
--                  or given up, reopened     what its answer was charged
--
--     open → received → judged      open → failed_free      open → in_doubt → received | written_off
--     received | judged → failed_free (an outage inside HTTP 200)      judged → written_off (reopened)
--
-- Whoever opens the file for writing holds a lock, so an `open` attempt found then belongs to a dead
-- process: it becomes in_doubt, unless it is in a batch (attempt.shard), which outlives processes.
-- Money is whole micro-dollars (uusd). Times are UTC, ISO 8601. Two names are kept from version 1 of
-- this file: a reply that was parsed is `judged`, and a part of a batch is a `shard`.

CREATE TABLE run (                    -- one row for each time that the ledger was opened for writing
  id            INTEGER PRIMARY KEY,
  began         TEXT NOT NULL,
  ended         TEXT,                 -- empty: it was killed
  cap_uusd      INTEGER,              -- budget over the whole file; empty: none
  policy        TEXT NOT NULL CHECK (policy IN ('hold', 'rebuy')),
  facts         TEXT NOT NULL         -- JSON: versions, options, prices by price_id; no secrets
);

CREATE TABLE task (
  key           TEXT PRIMARY KEY,     -- SHA-256 of identity
  kind          TEXT NOT NULL,        -- pair, image, description, …
  identity      TEXT NOT NULL         -- JSON: images, prompt, model, sampling, sample number
);

CREATE TABLE subject (                -- what an answer is about; copies of an image share a task
  key           TEXT NOT NULL,        -- of a task, also of one that is not asked yet
  subject       TEXT NOT NULL,        -- JSON: what the export needs (pair_id, left, right, first, …)
  PRIMARY KEY (key, subject)
);

CREATE TABLE attempt (
  id            TEXT PRIMARY KEY,     -- first 32 digits of the key, dash, n; the server is told it
  key           TEXT NOT NULL REFERENCES task (key),
  n             INTEGER NOT NULL CHECK (n >= 1),
  run           INTEGER NOT NULL REFERENCES run (id),
  shard         TEXT REFERENCES batch (shard),   -- empty: sent by itself
  state         TEXT NOT NULL CHECK (
                  state IN ('open', 'received', 'judged', 'failed_free', 'in_doubt', 'written_off')),
  price_id      TEXT NOT NULL,
  reserve_uusd  INTEGER NOT NULL CHECK (reserve_uusd >= 0),
  charge_uusd   INTEGER NOT NULL CHECK (charge_uusd >= 0),
  prompt_tokens INTEGER, completion_tokens INTEGER,   -- as the server counted; empty: not told
  served_model  TEXT, fingerprint TEXT,               -- as the server named them
  opened        TEXT NOT NULL,
  closed        TEXT,                 -- when the state changed last
  detail        TEXT,                 -- why it failed or is in doubt
  UNIQUE (key, n)
);
-- A question is on its way, in doubt or unparsed once at most; so nothing is bought twice.
CREATE UNIQUE INDEX one_live ON attempt (key) WHERE state IN ('open', 'received', 'in_doubt');
CREATE INDEX attempt_live ON attempt (state) WHERE state IN ('open', 'received', 'in_doubt');
CREATE INDEX attempt_shard ON attempt (shard) WHERE shard IS NOT NULL;

CREATE TABLE reply (                  -- what came back, first answer wins; later ones are in event
  attempt       TEXT PRIMARY KEY REFERENCES attempt (id),
  http          INTEGER NOT NULL,
  headers       TEXT NOT NULL,        -- JSON, chosen names only
  request_id    TEXT,
  seconds       REAL NOT NULL,
  received      TEXT NOT NULL,
  body          BLOB NOT NULL         -- zlib
);

CREATE TABLE label (                  -- rebuildable from reply
  key           TEXT PRIMARY KEY REFERENCES task (key),
  attempt       TEXT NOT NULL UNIQUE REFERENCES attempt (id),
  choice        TEXT CHECK (choice IN ('first', 'second', 'yes', 'no')),
  p_first       REAL CHECK (p_first BETWEEN 0 AND 1),
  reason        TEXT NOT NULL,
  extra         TEXT NOT NULL,        -- JSON: text, vector, mass, …
  parser        TEXT NOT NULL
);

CREATE TABLE reject (                 -- rebuildable from reply
  attempt       TEXT PRIMARY KEY REFERENCES attempt (id),
  key           TEXT NOT NULL REFERENCES task (key),
  kind          TEXT NOT NULL,        -- refused, invalid_json, length, …
  detail        TEXT NOT NULL,
  terminal      INTEGER NOT NULL CHECK (terminal IN (0, 1)),   -- 1: never asked again
  retry_with    TEXT,
  parser        TEXT NOT NULL
);
CREATE INDEX reject_key ON reject (key);

CREATE TABLE batch (                  -- one file of requests handed to a provider's batch API
  shard         TEXT PRIMARY KEY,     -- hash of the attempts' ids; also in the remote file's name
  state         TEXT NOT NULL,        -- reserved, built, uploaded, created, ended, ingested, done, …
  file_id       TEXT,
  batch_id      TEXT,
  facts         TEXT NOT NULL,        -- JSON
  changed       TEXT NOT NULL
);

CREATE TABLE stimulus (               -- image bytes as they were sent, made once
  source        TEXT NOT NULL,        -- SHA-256 of the image file
  transcode     TEXT NOT NULL,        -- name of the recipe that made the bytes
  body          BLOB NOT NULL,
  PRIMARY KEY (source, transcode)
);

CREATE TABLE event (                  -- what else happened; never changed
  id            INTEGER PRIMARY KEY,
  time          TEXT NOT NULL,
  run           INTEGER,
  kind          TEXT NOT NULL,        -- late_reply, cost_over_reserve, spill_taken, …
  attempt       TEXT,
  data          TEXT NOT NULL,        -- JSON
  body          BLOB                  -- zlib, of a late reply
);

-- Σ charge_uusd over all attempts, kept by the two triggers below so that the budget is one look-up.
CREATE TABLE purse (one INTEGER PRIMARY KEY CHECK (one = 1), charged_uusd INTEGER NOT NULL);
INSERT INTO purse VALUES (1, 0);
CREATE TRIGGER purse_new AFTER INSERT ON attempt BEGIN
  UPDATE purse SET charged_uusd = charged_uusd + new.charge_uusd;
END;
CREATE TRIGGER purse_changed AFTER UPDATE OF charge_uusd ON attempt BEGIN
  UPDATE purse SET charged_uusd = charged_uusd + new.charge_uusd - old.charge_uusd;
END;

-- What was paid for and what was received is not taken back.
CREATE TRIGGER attempt_stays BEFORE DELETE ON attempt BEGIN
  SELECT RAISE(ABORT, 'attempts are not deleted');
END;
CREATE TRIGGER reply_stays BEFORE DELETE ON reply BEGIN
  SELECT RAISE(ABORT, 'replies are not deleted');
END;
CREATE TRIGGER reply_final BEFORE UPDATE ON reply BEGIN
  SELECT RAISE(ABORT, 'replies are not changed');
END;
CREATE TRIGGER event_final BEFORE UPDATE ON event BEGIN
  SELECT RAISE(ABORT, 'events are not changed');
END;

-- Where each task stands: the one place that decides whether it may be asked (again).
CREATE VIEW standing AS
SELECT task.key AS key, CASE
  WHEN EXISTS (SELECT 1 FROM label WHERE label.key = task.key) THEN 'labelled'
  WHEN EXISTS (SELECT 1 FROM reject WHERE reject.key = task.key AND terminal) THEN 'refused'
  ELSE coalesce((SELECT CASE state WHEN 'received' THEN 'unjudged'
                                   WHEN 'in_doubt' THEN 'held'
                                   ELSE 'open' END
                 FROM attempt WHERE attempt.key = task.key
                 AND state IN ('open', 'received', 'in_doubt')), 'askable')
  END AS standing,
  (SELECT count(*) FROM reject WHERE reject.key = task.key) AS rejects
FROM task;

-- One row for each parsed attempt: the answer with everything that it came from.
CREATE VIEW answer AS
SELECT task.key, task.kind, task.identity, attempt.id AS attempt, attempt.n, attempt.run, attempt.price_id,
  attempt.charge_uusd, attempt.prompt_tokens, attempt.completion_tokens, attempt.served_model,
  attempt.fingerprint, reply.http, reply.request_id, reply.seconds, reply.received,
  label.choice, label.p_first, label.reason, label.extra, reject.kind AS reject,
  reject.detail AS reject_detail, reject.terminal, coalesce(label.parser, reject.parser) AS parser
FROM attempt JOIN task ON task.key = attempt.key JOIN reply ON reply.attempt = attempt.id
LEFT JOIN label ON label.attempt = attempt.id LEFT JOIN reject ON reject.attempt = attempt.id
WHERE attempt.state = 'judged' AND coalesce(label.parser, reject.parser) IS NOT NULL;

PRAGMA application_id = 1229870418;   -- "INTR"
PRAGMA user_version = 2;
