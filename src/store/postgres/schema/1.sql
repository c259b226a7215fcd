-- Version 1 of the schema. A version that was released is never changed: what changes it is a further file.
--
-- Every change of the store begins by locking the one row of `head`, and holds it until its commit. So changes come one
-- after another, positions have no gaps and are in the order of the commits, and no two changes wait for each other in a
-- circle. The changes are functions in PL/pgSQL because each statement of one sees everything that was committed before
-- it began: the changes that it waited for at `head` too. A single statement with data-modifying CTEs would not: it has
-- one snapshot, from before it waited, and would miss the deletion of a record that somebody made meanwhile.
--
-- Nothing depends on what a connection has set, since a pooler gives each transaction any of its connections. What is
-- called from outside sets what it needs: where names are looked up (`FROM CURRENT` is this schema), how long it waits
-- for a lock, and that its statements find their rows by an index, whatever the planner believes about tables that grow.

-- The last position that was given to an event, and what tells this store from every other.
CREATE TABLE head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    store     bytea   NOT NULL CHECK (octet_length(store) = 16),
    position  bigint  NOT NULL CHECK (position >= 0)
);
INSERT INTO head (store, position) VALUES (uuid_send(gen_random_uuid()), 0);

-- Every stream, with the version of its last event and the snapshot at that version.
CREATE TABLE stream (
    id       bytea  PRIMARY KEY,
    version  bigint NOT NULL CHECK (version > 0),
    snapshot bytea  NOT NULL
) WITH (fillfactor = 70);

-- Every event. `data` begins with its checksum, as snapshots and values of records do.
CREATE TABLE event (
    position bigint PRIMARY KEY,
    stream   bytea  NOT NULL,
    version  bigint NOT NULL,
    data     bytea  NOT NULL,
    UNIQUE (stream, version)
);

CREATE TABLE record (
    key   bytea PRIMARY KEY,
    value bytea NOT NULL
);

-- From here to its commit, the transaction is one that the database has on its disk before it says that it is
-- committed, whatever is set. Where standbys must have replayed it too, that stays.
CREATE FUNCTION commit_durably_1() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END
$$;

-- Locks `head` and says its position.
CREATE FUNCTION lock_head_1() RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    last bigint;
BEGIN
    PERFORM commit_durably_1();
    SELECT position INTO STRICT last FROM head WHERE singleton FOR NO KEY UPDATE;
    RETURN last;
END
$$;

-- Whether this is the store that the caller expects, with all that was acknowledged to it, and the server to which it
-- connected: true, or it fails (HL001), and the caller connects again to find out more. A pooler may have changed the
-- server. On one that only reads, what other nodes acknowledged may be missing. A null timeline is not known.
CREATE FUNCTION expect_head_1(expected_store bytea, acknowledged bigint, expected_timeline bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
    last head;
BEGIN
    SELECT * INTO STRICT last FROM head WHERE singleton;
    IF last.store IS DISTINCT FROM expected_store THEN
        RAISE EXCEPTION 'this is the store of another installation' USING ERRCODE = 'HL001';
    ELSIF last.position < acknowledged THEN
        RAISE EXCEPTION 'the store ends at position %, but % was acknowledged', last.position, acknowledged
            USING ERRCODE = 'HL001';
    ELSIF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the server only reads' USING ERRCODE = 'HL001';
    ELSIF expected_timeline IS NOT NULL
        AND expected_timeline <> ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
    THEN
        RAISE EXCEPTION 'another server has taken over' USING ERRCODE = 'HL001';
    END IF;
    RETURN true;
END
$$;

-- Whether one of the records that are to be inserted exists.
CREATE FUNCTION is_taken_1(keys bytea[], inserted boolean[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN true = ANY (inserted) AND EXISTS (
        SELECT FROM unnest(keys, inserted) AS change (key, inserted) JOIN record USING (key)
        WHERE change.inserted
    );
END
$$;

-- Writes records, each key once; deletes those without contents.
CREATE FUNCTION change_records_1(keys bytea[], contents bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO record (key, value)
        SELECT change.key, change.content FROM unnest(keys, contents) AS change (key, content)
        WHERE change.content IS NOT NULL
        ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    IF array_position(contents, NULL) IS NOT NULL THEN
        DELETE FROM record USING unnest(keys, contents) AS change (key, content)
            WHERE record.key = change.key AND change.content IS NULL;
    END IF;
END
$$;

-- A group of appends: no two of one stream that change it, and no record twice. `event_of` and `record_of` say the
-- append, from 1. An append whose `versions` is the one that it expects has no events. Outcomes: 0 is done, 1 is another
-- version than expected, 2 is a record that exists. The events of those that are done got the positions after
-- `before`, in the order in which they are given.
CREATE FUNCTION append_1(
    streams bytea[], expected bigint[], versions bigint[], snapshots bytea[],
    event_of integer[], event_versions bigint[], events bytea[],
    record_of integer[], keys bytea[], contents bytea[], inserted boolean[],
    expected_store bytea, acknowledged bigint, expected_timeline bigint,
    OUT outcomes integer[], OUT before bigint
) LANGUAGE plpgsql
SET search_path FROM CURRENT SET lock_timeout = '4s' SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    taken integer[] := '{}';
    added bigint;
    changed_keys bytea[];
    changed_contents bytea[];
BEGIN
    before := lock_head_1();
    PERFORM expect_head_1(expected_store, acknowledged, expected_timeline);
    IF true = ANY (inserted) THEN
        taken := ARRAY(
            SELECT change.append FROM unnest(record_of, keys, inserted) AS change (append, key, inserted)
            JOIN record USING (key) WHERE change.inserted
        );
    END IF;
    outcomes := ARRAY(
        SELECT CASE WHEN coalesce(stream.version, 0) <> append.expected THEN 1
                    WHEN append.number = ANY (taken) THEN 2
                    ELSE 0 END
        FROM unnest(streams, expected) WITH ORDINALITY AS append (id, expected, number)
        LEFT JOIN stream USING (id)
        ORDER BY append.number
    );
    INSERT INTO stream (id, version, snapshot)
        SELECT append.id, append.version, append.snapshot
        FROM unnest(streams, expected, versions, snapshots) WITH ORDINALITY
            AS append (id, expected, version, snapshot, number)
        WHERE outcomes[append.number] = 0 AND append.version > append.expected
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, snapshot = excluded.snapshot;
    INSERT INTO event (position, stream, version, data)
        SELECT before + row_number() OVER (ORDER BY event.number), streams[event.append], event.version, event.data
        FROM unnest(event_of, event_versions, events) WITH ORDINALITY AS event (append, version, data, number)
        WHERE outcomes[event.append] = 0;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added > 0 THEN
        UPDATE head SET position = before + added;
    END IF;
    IF cardinality(keys) > 0 THEN
        SELECT array_agg(change.key), array_agg(change.content) INTO changed_keys, changed_contents
            FROM unnest(record_of, keys, contents) AS change (append, key, content)
            WHERE outcomes[change.append] = 0;
        PERFORM change_records_1(changed_keys, changed_contents);
    END IF;
END
$$;

-- Removes a stream. Outcomes as of append_1.
CREATE FUNCTION remove_1(
    removed bytea, expected bigint, keys bytea[], contents bytea[], inserted boolean[],
    expected_store bytea, acknowledged bigint, expected_timeline bigint, OUT outcome integer
) LANGUAGE plpgsql
SET search_path FROM CURRENT SET lock_timeout = '4s' SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM lock_head_1();
    PERFORM expect_head_1(expected_store, acknowledged, expected_timeline);
    IF coalesce((SELECT version FROM stream WHERE id = removed), 0) <> expected THEN
        outcome := 1;
    ELSIF is_taken_1(keys, inserted) THEN
        outcome := 2;
    ELSE
        DELETE FROM event WHERE stream = removed;
        DELETE FROM stream WHERE id = removed;
        PERFORM change_records_1(keys, contents);
        outcome := 0;
    END IF;
END
$$;

-- Replaces the events of a stream from `first_version` to `last_version` by one. Outcomes as of append_1; 3 is more
-- events than `most`.
CREATE FUNCTION summarize_1(
    summarized bytea, expected bigint, first_version bigint, last_version bigint, summary bytea, most bigint,
    keys bytea[], contents bytea[], inserted boolean[],
    expected_store bytea, acknowledged bigint, expected_timeline bigint, OUT outcome integer
) LANGUAGE plpgsql
SET search_path FROM CURRENT SET lock_timeout = '4s' SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    PERFORM lock_head_1();
    PERFORM expect_head_1(expected_store, acknowledged, expected_timeline);
    IF coalesce((SELECT version FROM stream WHERE id = summarized), 0) <> expected THEN
        outcome := 1;
    ELSIF is_taken_1(keys, inserted) THEN
        outcome := 2;
    ELSIF expected = 0 OR first_version <= 1 OR first_version > last_version THEN
        outcome := 1;
    ELSIF most < (
        SELECT count(*) FROM event WHERE stream = summarized AND version BETWEEN first_version AND last_version
    ) THEN
        outcome := 3;
    ELSE
        UPDATE event SET data = summary WHERE stream = summarized AND version = last_version;
        IF NOT FOUND THEN
            outcome := 1;
        ELSE
            DELETE FROM event
                WHERE stream = summarized AND version >= first_version AND version < last_version;
            PERFORM change_records_1(keys, contents);
            outcome := 0;
        END IF;
    END IF;
END
$$;
