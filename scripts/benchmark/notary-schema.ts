/** The tables of Notary's server for metadata (wire spec §18.1); Debian's package lacks the migrations. */
export const SERVER_SCHEMA = `
  CREATE TABLE tuf_files (
    id serial PRIMARY KEY,
    created_at timestamp, updated_at timestamp, deleted_at timestamp,
    gun varchar(255) NOT NULL, role varchar(255) NOT NULL, version integer NOT NULL,
    data bytea NOT NULL, sha256 char(64),
    UNIQUE (gun, role, version)
  );
  CREATE INDEX tuf_files_sha256_idx ON tuf_files (sha256);
  CREATE TABLE change_category (category varchar(20) PRIMARY KEY);
  INSERT INTO change_category VALUES ('update'), ('deletion');
  CREATE TABLE changefeed (
    id serial PRIMARY KEY,
    created_at timestamp DEFAULT CURRENT_TIMESTAMP,
    gun varchar(255) NOT NULL, version integer NOT NULL, sha256 char(64),
    category varchar(20) NOT NULL DEFAULT 'update' REFERENCES change_category
  );
  CREATE INDEX idx_changefeed_gun ON changefeed (gun);
`

/** The table of Notary's signer for keys (wire spec §18.2). */
export const SIGNER_SCHEMA = `
  CREATE TABLE private_keys (
    id serial PRIMARY KEY,
    created_at timestamp, updated_at timestamp, deleted_at timestamp,
    key_id varchar(255) NOT NULL, encryption_alg varchar(255) NOT NULL, keywrap_alg varchar(255) NOT NULL,
    algorithm varchar(50) NOT NULL, passphrase_alias varchar(50) NOT NULL,
    public bytea NOT NULL, private bytea NOT NULL,
    gun varchar(255) NOT NULL, role varchar(255) NOT NULL,
    last_used timestamp,
    UNIQUE (key_id), UNIQUE (key_id, algorithm)
  );
`
