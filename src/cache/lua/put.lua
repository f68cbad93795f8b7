-- Keeps an entry unless a newer one is there, and gives the lease back.
-- KEYS[1]  the entry, as in get.lua
-- ARGV     stamp; token; ttl in ms, 0 to give the lease back only; body
-- Returns  1 when the entry was kept, 0 when not
local h = redis.call('HMGET', KEYS[1], 's', 't')
local kept = 0
if tonumber(ARGV[3]) > 0 and (not h[1] or h[1] <= ARGV[1]) then
  redis.call('HSET', KEYS[1], 's', ARGV[1], 'b', ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  kept = 1
end
if h[2] == ARGV[2] then redis.call('HDEL', KEYS[1], 't', 'x') end
return kept
