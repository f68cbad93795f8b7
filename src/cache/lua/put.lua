-- Keeps an entry unless a newer one is there, and gives the lease back.
-- Only while the lease lasts: what was read under it is then at most so much older than its time to live tells.
-- KEYS     entry and lease, as in get.lua
-- ARGV     token; ttl in ms, 0 to give the lease back only; entry
-- Returns  1 when it was kept, 2 when there was nothing to keep, 0 when the lease was not held any more
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local done = 2
if ARGV[2] ~= '0' then
  local stamp = redis.pcall('GETRANGE', KEYS[1], '0', '23')
  -- One that has no end is not ours as it is.
  local is_strange = type(stamp) == 'table' or redis.call('PTTL', KEYS[1]) == -1
  if is_strange or stamp <= string.sub(ARGV[3], 1, 24) then
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
    done = 1
  end
end
redis.call('DEL', KEYS[2])
return done
