-- What waits is held to the budget of the key that asked for it, from its acceptance to its settlement.

-- The key that the requests of a run came in with; '' where they are held to no key's budget, as those of
-- before are, which their budgets were charged for when they were accepted.
ALTER TABLE tenants_of_runs ADD COLUMN key TEXT NOT NULL DEFAULT '';

-- What open runs may still cost is added up at every acceptance: finished ones are not looked through for it.
CREATE INDEX runs_not_finished ON runs (workflow) WHERE state <> 'finished';
