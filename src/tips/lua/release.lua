-- Gives the lease back, so that a follower takes over at once.
-- KEYS     lease, channel
-- ARGV     owner; the command that publishes
-- Returns  1, or 0 when somebody else has it
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call(ARGV[2], KEYS[2], 'released')
  return 1
end
return 0
