-- Gives the lease back, so that a follower takes over at once.
-- KEYS     lease, takeovers (counter), channel
-- ARGV     owner; the command that publishes
-- Returns  1, or 0 when somebody else has it
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  -- Who takes over counts a leader as lost (join.lua). This one is not.
  redis.call('SET', KEYS[2], string.format('%.0f', (tonumber(redis.call('GET', KEYS[2])) or 0) - 1), 'EX', 60)
  redis.call(ARGV[2], KEYS[3], 'released')
  return 1
end
return 0
