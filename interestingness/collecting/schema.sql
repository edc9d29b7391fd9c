CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
-- Photographs by the name that they have in tables. The page knows the id alone.
CREATE TABLE image (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  excluded_by TEXT,
  excluded_why TEXT,
  excluded_at TEXT
);
-- What was handed out to be shown; `shown_at` is set when it stood on a screen.
CREATE TABLE appearance (
  id INTEGER PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,
  rater TEXT NOT NULL,
  tab TEXT NOT NULL,
  left_image TEXT NOT NULL REFERENCES image (id),
  right_image TEXT REFERENCES image (id), -- NULL: one image, to be rated
  chosen_by TEXT NOT NULL,                -- random | active | list | again (an earlier one, swapped)
  probability REAL,
  again INTEGER REFERENCES appearance (id),
  issued_at TEXT NOT NULL,
  shown_at TEXT
);
CREATE INDEX appearance_of_rater ON appearance (rater, id);
-- Every answer that arrived. A second one to the same appearance is kept; `undo` takes back the one
-- before it. What counts is computed from these rows.
CREATE TABLE answer (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  appearance INTEGER NOT NULL REFERENCES appearance (id),
  choice TEXT NOT NULL,   -- left | right | tie | both_bad | skip | failed | undo | a rating
  reason TEXT NOT NULL DEFAULT '',
  response_ms REAL,
  answered_at TEXT NOT NULL,
  counts INTEGER NOT NULL -- 1: the answer of its appearance; 0: taken back, or a second one
);
CREATE INDEX answer_of_appearance ON answer (appearance);
