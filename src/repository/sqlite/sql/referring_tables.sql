SELECT group_concat(name, ', ')
FROM (
    SELECT DISTINCT owner.name
    FROM sqlite_schema AS owner
    JOIN pragma_foreign_key_list(owner.name) AS reference ON reference."table" = 'approach_challenges'
    WHERE owner.type = 'table'
    ORDER BY owner.name
)
