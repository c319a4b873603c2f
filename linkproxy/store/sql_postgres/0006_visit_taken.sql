-- A visit as a batch writes it. One value of this type is cheaper to send and to take apart than a
-- list for each column; docs/storage.md has the columns. The rule set's id comes last.
CREATE TYPE visit_taken AS (
    id bigint,
    at double precision,
    campaign_id bigint,
    recipient_id bigint,
    key text,
    kind text,
    role text,
    method text,
    client text,
    network text,
    profile_id bigint,
    http_version text,
    secure boolean,
    by_reference boolean,
    verified boolean,
    one_click boolean,
    answer text,
    verdict text,
    score double precision,
    prior double precision,
    evidence text,
    facts text,
    hop_at double precision,
    hop_cookie boolean,
    policy_id bigint
);
