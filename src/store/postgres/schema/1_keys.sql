-- Keys and secrets that the nodes share. A value is sealed under a key that is not in the database; a name is that of a
-- file of the keys folder.
CREATE TABLE sealed_key (
    name  text  PRIMARY KEY,
    value bytea NOT NULL CHECK (octet_length(value) <= 32768)
);

-- Counts the changes of sealed_key. The nodes look at it every few seconds.
CREATE TABLE sealed_key_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version   bigint  NOT NULL
);
INSERT INTO sealed_key_version (version) VALUES (1);

-- A trigger counts, so that a change that somebody makes by hand is followed too.
CREATE FUNCTION count_key_change_1() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM commit_durably_1();
    UPDATE sealed_key_version SET version = version + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_key_change AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON sealed_key
    FOR EACH STATEMENT EXECUTE FUNCTION count_key_change_1();

-- Puts values; deletes those that are null. It does nothing and says so if another version is there than the expected one.
-- Whoever comes second waits, and then finds another version.
CREATE FUNCTION change_keys_1(expected bigint, names text[], contents bytea[]) RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM commit_durably_1();
    PERFORM FROM sealed_key_version WHERE version = expected FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM sealed_key USING unnest(names, contents) AS change (name, content)
        WHERE sealed_key.name = change.name AND change.content IS NULL;
    INSERT INTO sealed_key (name, value)
        SELECT change.name, change.content FROM unnest(names, contents) AS change (name, content)
        WHERE change.content IS NOT NULL
        ON CONFLICT (name) DO UPDATE SET value = excluded.value;
    RETURN true;
END
$$;
