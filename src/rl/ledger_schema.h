// The tables of a ledger. Floats stand twice: as REAL for people who ask with SQL, and as the bits, which are what the
// ledger reads (SQL has no NaN and does not keep -0). Lists of numbers are blobs, little endian.
#pragma once

namespace invar {

inline constexpr const char* kLedgerSchema = R"sql(
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,           -- one for each start of the process
  first_step INTEGER NOT NULL,
  config TEXT NOT NULL,
  model_path TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  numerics_version INTEGER NOT NULL,
  profile TEXT NOT NULL,
  seed INTEGER NOT NULL,            -- the 64 bits, as a signed number
  created_at TEXT NOT NULL
);
CREATE TABLE steps (
  step INTEGER PRIMARY KEY,
  samples INTEGER NOT NULL,
  tokens INTEGER NOT NULL           -- generated, of all samples
);
CREATE TABLE hashes (
  step INTEGER PRIMARY KEY,
  weights TEXT NOT NULL,
  optimizer TEXT NOT NULL,
  rollouts TEXT NOT NULL,
  rewards TEXT NOT NULL,
  gradients TEXT NOT NULL,
  chain TEXT NOT NULL
);
CREATE TABLE rollouts (
  step INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  prompt_id INTEGER NOT NULL,
  sample INTEGER NOT NULL,
  seed INTEGER NOT NULL,            -- the 64 bits, as a signed number
  prompt BLOB NOT NULL,             -- int32
  tokens BLOB NOT NULL,             -- int32
  log_probs BLOB NOT NULL,          -- fp32
  reward REAL,
  reward_bits INTEGER NOT NULL,     -- fp64
  advantage REAL,
  advantage_bits INTEGER NOT NULL,  -- fp32
  kept INTEGER NOT NULL,
  finish TEXT NOT NULL,
  text TEXT NOT NULL,
  label TEXT NOT NULL,
  prompt_text TEXT NOT NULL,
  token_ends BLOB NOT NULL,         -- int32
  PRIMARY KEY (step, idx)
);
CREATE TABLE metrics (
  step INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  name TEXT NOT NULL,
  value REAL,
  bits INTEGER NOT NULL,            -- fp64
  PRIMARY KEY (step, name)
);
CREATE TABLE evals (
  step INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  name TEXT NOT NULL,
  prompts INTEGER NOT NULL,
  score REAL,
  bits INTEGER NOT NULL,            -- fp64
  PRIMARY KEY (step, name)
);
CREATE TABLE timings (
  step INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  name TEXT NOT NULL,
  value REAL,
  bits INTEGER NOT NULL,            -- fp64
  PRIMARY KEY (step, name)
);
PRAGMA application_id = 1229870674; -- "INVR"
PRAGMA user_version = 2;
)sql";

inline constexpr int kLedgerApplication = 1229870674;
inline constexpr int kLedgerVersion = 2;

}  // namespace invar
