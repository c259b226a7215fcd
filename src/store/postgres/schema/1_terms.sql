-- Terms: a row for each server and timeline on which changes were made, and for each restore that the operator accepted.
-- A node remembers the newest term that it has seen, and how far the log had come. Where that term is missing, the
-- database is one from before a fail-over; where a later term began before that position, events are lost.
CREATE TABLE term (
    number   bigint  PRIMARY KEY,
    mark     bytea   NOT NULL CHECK (octet_length(mark) = 16),
    -- The server's system identifier and its timeline; null where the user may not know them.
    server   bigint,
    timeline bigint,
    -- The log's position at which it began.
    began    bigint  NOT NULL,
    -- Whether the operator accepted what is lost: every session was ended.
    accepted boolean NOT NULL DEFAULT false
);

-- What a node that has connected learns. If nobody has connected to this server on this timeline before, a term begins.
-- It locks `head` for its commit's sake: that returns when everything which the node can read is as durable as a change
-- that is acknowledged, also on the standbys for which the database waits.
CREATE FUNCTION arrive_1(
    server_now bigint, timeline_now bigint,
    OUT store bytea, OUT last bigint, OUT marks bytea[], OUT began bigint[], OUT accepted boolean[]
) LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
DECLARE
    newest term;
BEGIN
    last := lock_head_1();
    store := (SELECT head.store FROM head);
    SELECT * INTO newest FROM term ORDER BY number DESC LIMIT 1;
    IF NOT FOUND OR (newest.server, newest.timeline) IS DISTINCT FROM (server_now, timeline_now) THEN
        INSERT INTO term (number, mark, server, timeline, began)
            VALUES (coalesce(newest.number, 0) + 1, uuid_send(gen_random_uuid()), server_now, timeline_now, last);
    END IF;
    SELECT array_agg(term.mark ORDER BY number), array_agg(term.began ORDER BY number),
           array_agg(term.accepted ORDER BY number)
        INTO marks, began, accepted FROM term;
END
$$;

-- The operator accepts the data as they are. The record says so until every session has been ended.
CREATE FUNCTION accept_1(server_now bigint, timeline_now bigint, restored bytea, content bytea) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
DECLARE
    last bigint := lock_head_1();
BEGIN
    UPDATE term SET accepted = true WHERE NOT accepted;
    INSERT INTO term (number, mark, server, timeline, began, accepted)
        SELECT coalesce(max(number), 0) + 1, uuid_send(gen_random_uuid()), server_now, timeline_now, last, true FROM term;
    -- Without an event there is no session to end.
    IF last > 0 THEN
        INSERT INTO record (key, value) VALUES (restored, content)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    END IF;
END
$$;

-- A change of nothing: it returns when a change would. It says the log's position.
CREATE FUNCTION pulse_1(expected_store bytea, acknowledged bigint, expected_timeline bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
DECLARE
    last bigint := lock_head_1();
BEGIN
    PERFORM expect_head_1(expected_store, acknowledged, expected_timeline);
    RETURN last;
END
$$;
