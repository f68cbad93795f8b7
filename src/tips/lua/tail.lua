-- Reads on in the log of a tip, and says that this replica follows it.
-- KEYS     lease, log, followers
-- ARGV     replica; how long it counts as a follower in ms; the last id that was read, empty for none; how many entries;
--          lease in ms
-- Returns  {1 while there is a leader, entries}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
local from = ARGV[3] == '' and '-' or '(' .. ARGV[3]
local left = redis.call('PTTL', KEYS[1])
local leads = left > 0 and left <= tonumber(ARGV[5]) and 1 or 0
return {leads, redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[4])}
