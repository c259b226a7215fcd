-- The nodes of an installation, and their leases. The tables are unlogged: a heartbeat costs no sync, and what a crash or
-- a promotion of a standby forgets is written again by the next heartbeats. Nothing here locks `head`, and nothing that
-- locks `head` reads this.

CREATE UNLOGGED TABLE node (
    id          bytea       PRIMARY KEY CHECK (octet_length(id) = 16),
    name        text        NOT NULL,
    version     text        NOT NULL,
    sections    text[]      NOT NULL,
    digests     bytea[]     NOT NULL CHECK (cardinality(digests) = cardinality(sections)),
    answers     boolean     NOT NULL,
    started     timestamptz NOT NULL,
    seen        timestamptz NOT NULL,
    position    bigint      NOT NULL,
    clock_ahead bigint      NOT NULL,
    clock_error bigint      NOT NULL
) WITH (fillfactor = 50);

-- Who holds which lease, and how long by this server's clock.
CREATE UNLOGGED TABLE lease (
    name        text        PRIMARY KEY,
    holder      bytea       NOT NULL,
    held_until  timestamptz NOT NULL
) WITH (fillfactor = 50);

-- A node says that it lives. Times are in milliseconds. It gets the leases that it wants and that nobody else holds; what
-- it held and does not want any more is free. Nodes that were not seen for a day are forgotten, but not by two at once,
-- who might then wait for each other.
CREATE FUNCTION beat_1(
    node_id bytea, node_name text, node_version text, node_sections text[], node_digests bytea[], node_answers boolean,
    uptime bigint, known_position bigint, ahead bigint, ahead_error bigint, wanted text[], held_for bigint
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
DECLARE
    now_is timestamptz := clock_timestamp();
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO node VALUES (
        node_id, node_name, node_version, node_sections, node_digests, node_answers,
        now_is - uptime * interval '1 millisecond', now_is, known_position, ahead, ahead_error
    ) ON CONFLICT (id) DO UPDATE SET
        answers = excluded.answers, seen = excluded.seen, position = excluded.position,
        clock_ahead = excluded.clock_ahead, clock_error = excluded.clock_error;
    DELETE FROM node WHERE id IN (
        SELECT id FROM node WHERE seen < now_is - interval '1 day' FOR UPDATE SKIP LOCKED
    );
    INSERT INTO lease (name, holder, held_until)
        SELECT name, node_id, now_is + held_for * interval '1 millisecond' FROM unnest(wanted) AS name ORDER BY name
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
        WHERE lease.holder = excluded.holder OR lease.held_until < clock_timestamp();
    DELETE FROM lease WHERE holder = node_id AND name <> ALL (wanted);
END
$$;

-- A node stops.
CREATE FUNCTION leave_1(node_id bytea) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM lease WHERE holder = node_id;
    DELETE FROM node WHERE id = node_id;
END
$$;
