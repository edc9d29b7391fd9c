-- A ledger of version 1, made by the program of that time and killed: every state of an attempt but
-- written_off, labels, rejects, a late reply, a part of a batch, an image. All of it is made up.
BEGIN TRANSACTION;
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
  seal          TEXT NOT NULL,
  UNIQUE (key, n)
);
INSERT INTO "attempt" VALUES('98a08311b275782dfe9ff3de6117eb6f-1','98a08311b275782dfe9ff3de6117eb6fd41cd0035450a92a48bff76c89b14d4f',1,1,NULL,'judged','p',100,60,10,5,'judge-1',NULL,'2026-11-30T22:32:29.401+00:00','2026-11-30T22:32:29.452+00:00',NULL,'d0de0fa5ecabb385');
INSERT INTO "attempt" VALUES('a4675422c023bd7ca6a479fd36100564-1','a4675422c023bd7ca6a479fd3610056465d83cbea1056fdc74c273aba5cc9b4b',1,1,NULL,'judged','p',100,60,10,5,'judge-1',NULL,'2026-11-30T22:32:29.476+00:00','2026-11-30T22:32:29.520+00:00',NULL,'4c0a70c4a5890429');
INSERT INTO "attempt" VALUES('3a27f7141b352a915b8a69cb5945e633-1','3a27f7141b352a915b8a69cb5945e63316f06be2113a83238a9d1f067613c1ba',1,1,NULL,'judged','p',100,60,10,5,'judge-1',NULL,'2026-11-30T22:32:29.540+00:00','2026-11-30T22:32:29.578+00:00',NULL,'5a610db7a529f908');
INSERT INTO "attempt" VALUES('0271fca918106606ea778955e3fab8dd-1','0271fca918106606ea778955e3fab8ddb352e83ff0ea6fa0bd1a6a7468afa95f',1,1,NULL,'judged','p',100,60,10,5,'judge-1',NULL,'2026-11-30T22:32:29.596+00:00','2026-11-30T22:32:29.640+00:00',NULL,'7f5ecab048479168');
INSERT INTO "attempt" VALUES('0271fca918106606ea778955e3fab8dd-2','0271fca918106606ea778955e3fab8ddb352e83ff0ea6fa0bd1a6a7468afa95f',2,1,NULL,'judged','p',100,100,10,5,'judge-1',NULL,'2026-11-30T22:32:29.668+00:00','2026-11-30T22:32:29.712+00:00',NULL,'6da0ef22e7c57b47');
INSERT INTO "attempt" VALUES('0eb23d068f33a148e8963665323cab23-1','0eb23d068f33a148e8963665323cab2395c03d226f589fcda1d6a94c36776508',1,1,NULL,'in_doubt','p',100,100,NULL,NULL,NULL,NULL,'2026-11-30T22:32:29.728+00:00','2026-11-30T22:32:29.744+00:00','reset','7b78a9233c8f9253');
INSERT INTO "attempt" VALUES('d67f3cb1cf83489209721ad1c4f5f270-1','d67f3cb1cf83489209721ad1c4f5f2705ff666eef64dcca4a38ca5723114adbb',1,1,NULL,'failed_free','p',100,0,NULL,NULL,NULL,NULL,'2026-11-30T22:32:29.756+00:00','2026-11-30T22:32:29.772+00:00','429','0ab25bf24f9cd34d');
INSERT INTO "attempt" VALUES('5ff1404bb5878efca94b45bd2dd92436-1','5ff1404bb5878efca94b45bd2dd92436a948820b12abe37b35a82b188272f570',1,1,NULL,'received','p',100,100,NULL,NULL,NULL,NULL,'2026-11-30T22:32:29.792+00:00','2026-11-30T22:32:29.816+00:00',NULL,'01536f43e0afcecf');
INSERT INTO "attempt" VALUES('96c1e16e7ca65080fd32caa548ddd340-1','96c1e16e7ca65080fd32caa548ddd340f20d7d9a755287b22c4957165415003b',1,1,'ca1cf79fd4ddc1d0cf6ee19a87f29259','open','p',100,100,NULL,NULL,NULL,NULL,'2026-11-30T22:32:29.836+00:00',NULL,NULL,'e6d1600ef644d5f1');
INSERT INTO "attempt" VALUES('9e3070d2b8c33d81a69bfc64ad138c3d-1','9e3070d2b8c33d81a69bfc64ad138c3d6e5ba5bcedbca0bf89ab9462896f5911',1,1,'ca1cf79fd4ddc1d0cf6ee19a87f29259','open','p',100,100,NULL,NULL,NULL,NULL,'2026-11-30T22:32:29.836+00:00',NULL,NULL,'3cc3471c26bffe04');
INSERT INTO "attempt" VALUES('a9b7c64d03e25a0fec0262451458d583-1','a9b7c64d03e25a0fec0262451458d5839611917db334684c8276c702da488bbe',1,1,NULL,'open','p',100,100,NULL,NULL,NULL,NULL,'2026-11-30T22:32:29.876+00:00',NULL,NULL,'1ee6c5f78008dde9');
INSERT INTO "attempt" VALUES('e8b86d25305f636627d1ea752439e9c0-1','e8b86d25305f636627d1ea752439e9c06cb30af8deeeec9c9a31c2c00410035d',1,1,NULL,'open','p',100,100,NULL,NULL,NULL,NULL,'2026-11-30T22:32:29.896+00:00',NULL,NULL,'bc2eb5a7f5dfebbe');
CREATE TABLE batch (                  -- one file of requests handed to a provider's batch API
  shard         TEXT PRIMARY KEY,     -- hash of the attempts' ids; also in the remote file's name
  state         TEXT NOT NULL,        -- reserved, built, uploaded, created, ended, ingested, done, …
  file_id       TEXT,
  batch_id      TEXT,
  facts         TEXT NOT NULL,        -- JSON
  changed       TEXT NOT NULL
);
INSERT INTO "batch" VALUES('ca1cf79fd4ddc1d0cf6ee19a87f29259','created','file-1','batch-1','{"lines": 2}','2026-11-30T22:32:29.856+00:00');
CREATE TABLE event (                  -- what else happened; never changed
  id            INTEGER PRIMARY KEY,
  time          TEXT NOT NULL,
  run           INTEGER,
  kind          TEXT NOT NULL,        -- late_reply, cost_over_reserve, spill_taken, …
  attempt       TEXT,
  data          TEXT NOT NULL,        -- JSON
  body          BLOB                  -- zlib, of a late reply
);
INSERT INTO "event" VALUES(1,'2026-11-30T22:32:29.712+00:00',1,'cost_not_told','0271fca918106606ea778955e3fab8dd-2','{"charge_uusd": 100}',NULL);
INSERT INTO "event" VALUES(2,'2026-11-30T22:32:29.721+00:00',1,'late_reply','0271fca918106606ea778955e3fab8dd-2','{"status": 200, "request_id": "r9", "state": "judged"}',X'789CAB562ACF482C51B252502A4E4DCECF4B51D201B21273402296B50089BA08E2');
CREATE TABLE label (                  -- rebuildable from reply
  key           TEXT PRIMARY KEY REFERENCES task (key),
  attempt       TEXT NOT NULL UNIQUE REFERENCES attempt (id),
  choice        TEXT CHECK (choice IN ('first', 'second', 'yes', 'no')),
  p_first       REAL CHECK (p_first BETWEEN 0 AND 1),
  reason        TEXT NOT NULL,
  extra         TEXT NOT NULL,        -- JSON: text, vector, mass, …
  parser        TEXT NOT NULL
);
INSERT INTO "label" VALUES('98a08311b275782dfe9ff3de6117eb6fd41cd0035450a92a48bff76c89b14d4f','98a08311b275782dfe9ff3de6117eb6f-1','first',0.75,'because','{}','test-1');
INSERT INTO "label" VALUES('a4675422c023bd7ca6a479fd3610056465d83cbea1056fdc74c273aba5cc9b4b','a4675422c023bd7ca6a479fd36100564-1','second',0.25,'because','{}','test-1');
INSERT INTO "label" VALUES('0271fca918106606ea778955e3fab8ddb352e83ff0ea6fa0bd1a6a7468afa95f','0271fca918106606ea778955e3fab8dd-2','first',0.75,'because','{}','test-1');
CREATE TABLE purse (one INTEGER PRIMARY KEY CHECK (one = 1), charged_uusd INTEGER NOT NULL);
INSERT INTO "purse" VALUES(1,940);
CREATE TABLE reject (                 -- rebuildable from reply
  attempt       TEXT PRIMARY KEY REFERENCES attempt (id),
  key           TEXT NOT NULL REFERENCES task (key),
  kind          TEXT NOT NULL,        -- refused, invalid_json, length, …
  detail        TEXT NOT NULL,
  terminal      INTEGER NOT NULL CHECK (terminal IN (0, 1)),   -- 1: never asked again
  retry_with    TEXT,
  parser        TEXT NOT NULL
);
INSERT INTO "reject" VALUES('3a27f7141b352a915b8a69cb5945e633-1','3a27f7141b352a915b8a69cb5945e63316f06be2113a83238a9d1f067613c1ba','refused','no label',1,NULL,'test-1');
INSERT INTO "reject" VALUES('0271fca918106606ea778955e3fab8dd-1','0271fca918106606ea778955e3fab8ddb352e83ff0ea6fa0bd1a6a7468afa95f','invalid_json','no label',0,NULL,'test-1');
CREATE TABLE reply (                  -- what came back, first answer wins; later ones are in event
  attempt       TEXT PRIMARY KEY REFERENCES attempt (id),
  http          INTEGER NOT NULL,
  headers       TEXT NOT NULL,        -- JSON, chosen names only
  request_id    TEXT,
  seconds       REAL NOT NULL,
  received      TEXT NOT NULL,
  body          BLOB NOT NULL,        -- zlib
  seal          TEXT NOT NULL
);
INSERT INTO "reply" VALUES('98a08311b275782dfe9ff3de6117eb6f-1',200,'{"date":"x"}','r0',0.5,'2026-11-30T22:32:29.428+00:00',X'789CAB562ACF482C51B252504ACB2C2A2E51D251502A4ECC010918D4020080020885','a32281a55f36f86f');
INSERT INTO "reply" VALUES('a4675422c023bd7ca6a479fd36100564-1',200,'{"date":"x"}','r0',0.5,'2026-11-30T22:32:29.500+00:00',X'789CAB562ACF482C51B252502A4E4DCECF4B51D201B21273402206B50089A808D9','3d64878e5bb14ab1');
INSERT INTO "reply" VALUES('3a27f7141b352a915b8a69cb5945e633-1',200,'{"date":"x"}','r0',0.5,'2026-11-30T22:32:29.560+00:00',X'789CAB562ACF482C51B252502A4A4D2B2D4E4D51D251502A4ECC010919D402009573094B','b1e94ecfbf04684c');
INSERT INTO "reply" VALUES('0271fca918106606ea778955e3fab8dd-1',200,'{"date":"x"}','r0',0.5,'2026-11-30T22:32:29.619+00:00',X'789CAB562ACF482C51B25250CACC2B4BCCC94C89CF2ACECF53D251502A4ECC01891BD40200D3A20B5D','ef2ba34b056b82ec');
INSERT INTO "reply" VALUES('0271fca918106606ea778955e3fab8dd-2',200,'{"date":"x"}','r0',0.5,'2026-11-30T22:32:29.688+00:00',X'789CAB562ACF482C51B252504ACB2C2A2E51D251502A4ECC010918D4020080020885','ec74ee946a0a467e');
INSERT INTO "reply" VALUES('5ff1404bb5878efca94b45bd2dd92436-1',200,'{"date":"x"}','r6',0.5,'2026-11-30T22:32:29.816+00:00',X'789CAB562ACF482C51B252504ACB2C2A2E51D251502A4ECC010998D50200800E088B','5a2836b529060d9f');
CREATE TABLE run (                    -- one row for each time that the ledger was opened for writing
  id            INTEGER PRIMARY KEY,
  began         TEXT NOT NULL,
  ended         TEXT,                 -- empty: it was killed
  cap_uusd      INTEGER,              -- budget over the whole file; empty: none
  policy        TEXT NOT NULL CHECK (policy IN ('hold', 'rebuy')),
  facts         TEXT NOT NULL         -- JSON: versions, options, prices by price_id; no secrets
);
INSERT INTO "run" VALUES(1,'2026-11-30T22:32:29.371+00:00',NULL,10000,'hold','{"prices": {"p": {"input": 1, "output": 2}}}');
CREATE TABLE stimulus (               -- image bytes as they were sent, made once
  source        TEXT NOT NULL,        -- SHA-256 of the image file
  transcode     TEXT NOT NULL,        -- name of the recipe that made the bytes
  body          BLOB NOT NULL,
  seal          TEXT NOT NULL,
  PRIMARY KEY (source, transcode)
);
INSERT INTO "stimulus" VALUES('s','jpeg-1',X'696D616765206279746573','561dbec4c81ce309');
CREATE TABLE subject (                -- what an answer is about; copies of an image share a task
  key           TEXT NOT NULL,        -- of a task, also of one that is not asked yet
  subject       TEXT NOT NULL,        -- JSON: what the export needs (pair_id, left, right, first, …)
  seal          TEXT NOT NULL,
  PRIMARY KEY (key, subject)
);
INSERT INTO "subject" VALUES('98a08311b275782dfe9ff3de6117eb6fd41cd0035450a92a48bff76c89b14d4f','{"first":"left","left":"a","pair_id":"0000000000000000","rater_id":"judge","right":"b"}','7663073c1a76ba77');
INSERT INTO "subject" VALUES('a4675422c023bd7ca6a479fd3610056465d83cbea1056fdc74c273aba5cc9b4b','{"first":"right","left":"a","pair_id":"0000000000000000","rater_id":"judge","right":"b"}','267c1d747fe44776');
INSERT INTO "subject" VALUES('3a27f7141b352a915b8a69cb5945e63316f06be2113a83238a9d1f067613c1ba','{"first":"left","left":"a","pair_id":"0000000000000001","rater_id":"judge","right":"b"}','0c3f33c5735a9f77');
INSERT INTO "subject" VALUES('0271fca918106606ea778955e3fab8ddb352e83ff0ea6fa0bd1a6a7468afa95f','{"first":"right","left":"a","pair_id":"0000000000000001","rater_id":"judge","right":"b"}','9b73440c134c7374');
INSERT INTO "subject" VALUES('0eb23d068f33a148e8963665323cab2395c03d226f589fcda1d6a94c36776508','{"first":"left","left":"a","pair_id":"0000000000000002","rater_id":"judge","right":"b"}','ab0b3eb6800362f1');
INSERT INTO "subject" VALUES('d67f3cb1cf83489209721ad1c4f5f2705ff666eef64dcca4a38ca5723114adbb','{"first":"right","left":"a","pair_id":"0000000000000002","rater_id":"judge","right":"b"}','440d489fbbdfe3f1');
INSERT INTO "subject" VALUES('5ff1404bb5878efca94b45bd2dd92436a948820b12abe37b35a82b188272f570','{"first":"left","left":"a","pair_id":"0000000000000003","rater_id":"judge","right":"b"}','6ac7b0aeeab98e52');
INSERT INTO "subject" VALUES('96c1e16e7ca65080fd32caa548ddd340f20d7d9a755287b22c4957165415003b','{"first":"left","left":"a","pair_id":"0000000000000004","rater_id":"judge","right":"b"}','04776ce36f3ee15e');
INSERT INTO "subject" VALUES('9e3070d2b8c33d81a69bfc64ad138c3d6e5ba5bcedbca0bf89ab9462896f5911','{"first":"right","left":"a","pair_id":"0000000000000004","rater_id":"judge","right":"b"}','785ac5f66239b370');
INSERT INTO "subject" VALUES('a9b7c64d03e25a0fec0262451458d5839611917db334684c8276c702da488bbe','{"first":"right","left":"a","pair_id":"0000000000000003","rater_id":"judge","right":"b"}','6a8bda4dcecca5b2');
INSERT INTO "subject" VALUES('e8b86d25305f636627d1ea752439e9c06cb30af8deeeec9c9a31c2c00410035d','{"first":"left","left":"a","pair_id":"0000000000000005","rater_id":"judge","right":"b"}','1937ca87e76ebfa6');
CREATE TABLE task (
  key           TEXT PRIMARY KEY,     -- SHA-256 of identity
  kind          TEXT NOT NULL,        -- pair, image, description, …
  identity      TEXT NOT NULL,        -- JSON: images, prompt, model, sampling, sample number
  seal          TEXT NOT NULL
);
INSERT INTO "task" VALUES('98a08311b275782dfe9ff3de6117eb6fd41cd0035450a92a48bff76c89b14d4f','pair','{"i":0,"kind":"pair"}','6cf3daa8e568bf1f');
INSERT INTO "task" VALUES('a4675422c023bd7ca6a479fd3610056465d83cbea1056fdc74c273aba5cc9b4b','pair','{"i":1,"kind":"pair"}','d2dd2bd2019b716b');
INSERT INTO "task" VALUES('3a27f7141b352a915b8a69cb5945e63316f06be2113a83238a9d1f067613c1ba','pair','{"i":2,"kind":"pair"}','af9cb8dfb9377552');
INSERT INTO "task" VALUES('0271fca918106606ea778955e3fab8ddb352e83ff0ea6fa0bd1a6a7468afa95f','pair','{"i":3,"kind":"pair"}','df2a07750c597c09');
INSERT INTO "task" VALUES('0eb23d068f33a148e8963665323cab2395c03d226f589fcda1d6a94c36776508','pair','{"i":4,"kind":"pair"}','2c815adf52840c1a');
INSERT INTO "task" VALUES('d67f3cb1cf83489209721ad1c4f5f2705ff666eef64dcca4a38ca5723114adbb','pair','{"i":5,"kind":"pair"}','f39504b62954953f');
INSERT INTO "task" VALUES('5ff1404bb5878efca94b45bd2dd92436a948820b12abe37b35a82b188272f570','pair','{"i":6,"kind":"pair"}','af2cca7418517906');
INSERT INTO "task" VALUES('96c1e16e7ca65080fd32caa548ddd340f20d7d9a755287b22c4957165415003b','pair','{"i":8,"kind":"pair"}','4338ed45d6792fb7');
INSERT INTO "task" VALUES('9e3070d2b8c33d81a69bfc64ad138c3d6e5ba5bcedbca0bf89ab9462896f5911','pair','{"i":9,"kind":"pair"}','48b222681f98a217');
INSERT INTO "task" VALUES('a9b7c64d03e25a0fec0262451458d5839611917db334684c8276c702da488bbe','pair','{"i":7,"kind":"pair"}','adb92f5768287ccb');
INSERT INTO "task" VALUES('e8b86d25305f636627d1ea752439e9c06cb30af8deeeec9c9a31c2c00410035d','pair','{"i":10,"kind":"pair"}','d1625c04c8c41495');
CREATE UNIQUE INDEX one_live ON attempt (key) WHERE state IN ('open', 'received', 'in_doubt');
CREATE INDEX attempt_live ON attempt (state) WHERE state IN ('open', 'received', 'in_doubt');
CREATE INDEX attempt_shard ON attempt (shard) WHERE shard IS NOT NULL;
CREATE INDEX reject_key ON reject (key);
CREATE TRIGGER purse_new AFTER INSERT ON attempt BEGIN
  UPDATE purse SET charged_uusd = charged_uusd + new.charge_uusd;
END;
CREATE TRIGGER purse_changed AFTER UPDATE OF charge_uusd ON attempt BEGIN
  UPDATE purse SET charged_uusd = charged_uusd + new.charge_uusd - old.charge_uusd;
END;
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
CREATE VIEW answer AS
SELECT task.key, task.kind, task.identity, attempt.id AS attempt, attempt.n, attempt.run, attempt.price_id,
  attempt.charge_uusd, attempt.prompt_tokens, attempt.completion_tokens, attempt.served_model,
  attempt.fingerprint, reply.http, reply.request_id, reply.seconds, reply.received,
  label.choice, label.p_first, label.reason, label.extra, reject.kind AS reject,
  reject.detail AS reject_detail, reject.terminal, coalesce(label.parser, reject.parser) AS parser
FROM attempt JOIN task ON task.key = attempt.key JOIN reply ON reply.attempt = attempt.id
LEFT JOIN label ON label.attempt = attempt.id LEFT JOIN reject ON reject.attempt = attempt.id
WHERE attempt.state = 'judged' AND coalesce(label.parser, reject.parser) IS NOT NULL;
COMMIT;
PRAGMA application_id = 1229870418;
PRAGMA user_version = 1;
