-- Looks up one entry, and takes the lease to fill it when there is none that may be served.
-- KEYS[1]  the entry: a hash of s (stamp), b (body), t (lease token), x (lease end, ms of this server's clock)
-- ARGV     floor: the lowest stamp that may be served; token; lease in ms
-- Returns  {'H', stamp, body, ttl ms}  here it is
--          {'F', stamp, body}          fill it: the lease is yours; what lies there, if anything, is out of date
--          {'W', stamp, body, ms}      someone else fills it, for at most so long
-- Stamps are hexadecimal of one width, so they compare as text; numbers would lose digits above 2^53.
local h = redis.call('HMGET', KEYS[1], 's', 'b', 't', 'x')
if h[1] and h[1] >= ARGV[1] then return {'H', h[1], h[2], redis.call('PTTL', KEYS[1])} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if h[3] and tonumber(h[4]) > now then return {'W', h[1], h[2], tonumber(h[4]) - now} end
redis.call('HSET', KEYS[1], 't', ARGV[2], 'x', string.format('%.0f', now + tonumber(ARGV[3])))
if not h[1] then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return {'F', h[1], h[2]}
