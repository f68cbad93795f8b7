SELECT set_config('role', pg_get_userbyid(c.relowner), false)
FROM pg_class AS c
WHERE c.oid = to_regclass('public.approach_challenges') AND pg_get_userbyid(c.relowner) <> current_user
