-- Looks up one entry, and takes the lease to fill it when there is none that may be served.
-- KEYS     the entry, which begins with its stamp; the lease: the token of its holder, for as long as it lasts
-- ARGV     floor: the lowest stamp that may be served; token; lease in ms; how many bytes of an entry are read
-- Returns  {'H', entry, ttl in ms}  here it is
--          {'F', entry, ttl}        fill it: the lease is yours; what lies there, if anything, is out of date
--          {'W', entry, ttl, ms}    someone else fills it, for at most so long
-- Stamps are hexadecimal of one width, so they compare as text; numbers would lose digits above 2^53.
local entry = redis.pcall('GETRANGE', KEYS[1], '0', ARGV[4])
if type(entry) == 'table' then
  -- Of another type: not ours, and in our way.
  redis.call('DEL', KEYS[1])
  entry = ''
end
-- One that has no end is not ours as it is.
local ends = redis.call('PTTL', KEYS[1])
if ends >= 0 and string.sub(entry, 1, 24) >= ARGV[1] then return {'H', entry, ends} end
-- A lease that has no end, or one later than any of ours, is nobody's.
local left = redis.call('PTTL', KEYS[2])
if left > 0 and left <= tonumber(ARGV[3]) then return {'W', entry, ends, left} end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return {'F', entry, ends}
