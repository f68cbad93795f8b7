-- Ends a pause, and tells every replica that looks within a minute.
-- KEYS     pause, resumed
-- ARGV     a name for this time; how long it is told in ms
-- Returns  1
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
