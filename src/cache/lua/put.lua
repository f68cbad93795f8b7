-- Keeps an entry unless a newer one is there, and gives the lease back.
-- Only while the lease lasts: what was read under it is then at most so much older than its time to live tells.
-- KEYS[1]  the entry, as in get.lua
-- ARGV     stamp; token; ttl in ms, 0 to give the lease back only; body
-- Returns  1, or 0 when the lease was not held any more
local h = redis.call('HMGET', KEYS[1], 's', 't', 'x')
if h[2] ~= ARGV[2] then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if tonumber(ARGV[3]) > 0 and tonumber(h[3]) > now and (not h[1] or h[1] <= ARGV[1]) then
  redis.call('HSET', KEYS[1], 's', ARGV[1], 'b', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
redis.call('HDEL', KEYS[1], 't', 'x')
return 1
