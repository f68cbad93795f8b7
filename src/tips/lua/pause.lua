-- Keeps everybody away for a while; a longer pause stands.
-- KEYS     pause
-- ARGV     ms
-- Returns  1, or 0 when a longer one stands
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
  return 1
end
return 0
