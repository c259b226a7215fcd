-- The log through which nodes tell each other of attempts to sign in. Its tables are unlogged: they cost no WAL, and are
-- empty after a crash and on a standby that takes over. Writing locks the one row of `exchange_head`, and never `head`.

-- `bytes` is the length of all entries so far.
CREATE UNLOGGED TABLE exchange_head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    era       bytea   NOT NULL CHECK (octet_length(era) = 16),
    number    bigint  NOT NULL CHECK (number >= 0),
    bytes     bigint  NOT NULL CHECK (bytes >= 0)
);

-- `ends` is the length of all entries up to this one, by which pages and the table are bounded.
CREATE UNLOGGED TABLE exchange_entry (
    number bigint      PRIMARY KEY,
    ends   bigint      NOT NULL,
    made   timestamptz NOT NULL,
    entry  bytea       NOT NULL
);

-- Writes an entry, if one is given, and reads a page of at most 2000 entries and about 1 MB after `heard`, or from the
-- first if another era is known. `newest` is the number up to which there is something to read. The row of `exchange_head`
-- is locked until the commit. So numbers are in the order of the commits, and the statement that reads, which comes after
-- the lock, sees everything before the own entry.
CREATE FUNCTION exchange_1(
    known_era bytea, heard bigint, told bytea,
    expected_store bytea, acknowledged bigint, expected_timeline bigint,
    OUT present_era bytea, OUT written bigint, OUT newest bigint, OUT numbers bigint[], OUT entries bytea[]
) LANGUAGE plpgsql
SET search_path FROM CURRENT SET lock_timeout = '4s' SET jit = off SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    kept constant bigint := 32 * 1024 * 1024;
    page constant bigint := 1024 * 1024;
    begins bigint;
    total bigint;
    last_old bigint;
BEGIN
    PERFORM expect_head_1(expected_store, acknowledged, expected_timeline);
    IF told IS NULL THEN
        SELECT era, number INTO present_era, newest FROM exchange_head WHERE singleton;
    ELSE
        PERFORM set_config('synchronous_commit', 'off', true);
        LOOP
            UPDATE exchange_head SET number = number + 1, bytes = bytes + octet_length(told)
                WHERE singleton RETURNING era, number, bytes INTO present_era, written, total;
            EXIT WHEN FOUND;
            INSERT INTO exchange_head (era, number, bytes) VALUES (uuid_send(gen_random_uuid()), 0, 0)
                ON CONFLICT DO NOTHING;
        END LOOP;
        newest := written;
        INSERT INTO exchange_entry (number, ends, made, entry)
            VALUES (written, total, clock_timestamp(), told);
        -- One in 64 entries removes up to 256 old ones.
        IF written % 64 = 0 THEN
            SELECT max(oldest.number) INTO last_old
                FROM (SELECT number, ends, made FROM exchange_entry ORDER BY number LIMIT 256) AS oldest
                WHERE oldest.ends <= total - kept OR oldest.made < clock_timestamp() - interval '3 hours';
            DELETE FROM exchange_entry WHERE number <= last_old;
        END IF;
    END IF;
    IF present_era IS DISTINCT FROM known_era THEN
        heard := 0;
    END IF;
    SELECT ends INTO begins FROM exchange_entry WHERE number > heard ORDER BY number LIMIT 1;
    SELECT coalesce(array_agg(next.number ORDER BY next.number), '{}'),
            coalesce(array_agg(next.entry ORDER BY next.number), '{}')
        INTO numbers, entries
        FROM (
            SELECT number, ends, entry FROM exchange_entry WHERE number > heard ORDER BY number LIMIT 2000
        ) AS next
        WHERE next.ends <= begins + page;
END
$$;
