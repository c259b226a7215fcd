-- Version 2: nodes say when they answered requests. Programs of version 1 go on with beat_1 and leave_1; of their nodes
-- that is not known, and they see one that has left as silent.
ALTER TABLE node
    -- When it answered requests without an outage; null if it never has.
    ADD COLUMN answered_since timestamptz,
    ADD COLUMN answered_until timestamptz,
    -- It has stopped.
    ADD COLUMN has_left boolean NOT NULL DEFAULT false;

-- As beat_1; `answered` is in milliseconds, and null while the node answers no requests.
CREATE FUNCTION beat_2(
    node_id bytea, node_name text, node_version text, node_sections text[], node_digests bytea[], node_answers boolean,
    uptime bigint, answered bigint, known_position bigint, ahead bigint, ahead_error bigint, wanted text[],
    held_for bigint
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM beat_1(
        node_id, node_name, node_version, node_sections, node_digests, node_answers, uptime, known_position, ahead,
        ahead_error, wanted, held_for
    );
    -- beat_1 has set `seen` to now.
    UPDATE node SET has_left = false,
        answered_since = coalesce(seen - answered * interval '1 millisecond', answered_since),
        answered_until = CASE WHEN answered IS NULL THEN answered_until ELSE seen END
        WHERE id = node_id;
END
$$;

-- A node stops. Until when it answered requests is kept for a day: retry windows did not run out since then.
CREATE FUNCTION leave_2(node_id bytea) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET lock_timeout = '4s' AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM lease WHERE holder = node_id;
    DELETE FROM node WHERE id = node_id AND answered_until IS NULL;
    UPDATE node SET answers = false, has_left = true WHERE id = node_id;
END
$$;
