-- Corrects a reservation to what was spent.
-- KEYS     as in reserve.lua
-- ARGV     the difference, in millionths of a dollar
-- Returns  what is spent now, or 0 when Redis forgot the day
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('INCRBY', KEYS[1], ARGV[1]) end
return 0
