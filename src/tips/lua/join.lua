-- Finds out what this replica is to a tip: done, follower, or leader of a new epoch.
-- KEYS     lease (owner), epoch (the last one), log (stream), done (epoch, space, tip), recent (a failure),
--          takeovers (counter), followers (zset), channel
-- ARGV     owner; lease in ms; the log's life in ms; the lowest epoch of a finished tip that will do, 0 for any;
--          takeovers in a minute; the command that publishes; how many bytes of a tip are read
-- Each answer ends with how many keys held what is not of our type, and were removed.
-- Returns  {'H', tip}       it is finished
--          {'N', cause}     it failed a moment ago
--          {'F'}            another replica has it written
--          {'P'}            it lost so many leaders that it is left alone
--          {'L', epoch}     the lease is yours
local types = {'string', 'string', 'stream', 'string', 'string', 'string', 'zset'}
local strange = 0
for i = 1, #types do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= types[i] and kind ~= 'none' then
    redis.call('DEL', KEYS[i])
    strange = strange + 1
  end
end
local done = redis.call('GETRANGE', KEYS[4], '0', ARGV[7])
local done_epoch, tip = string.match(done, '^(%d+) (.*)$')
if done_epoch and tonumber(done_epoch) >= tonumber(ARGV[4]) then return {'H', tip, strange} end
local recent = ARGV[4] == '0' and redis.call('GETRANGE', KEYS[5], '0', ARGV[7]) or ''
if recent ~= '' then return {'N', recent, strange} end
-- A lease that has no end, or one later than any of ours, is nobody's.
local left = redis.call('PTTL', KEYS[1])
if left > 0 and left <= tonumber(ARGV[2]) then return {'F', '', strange} end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = (tonumber(redis.call('GET', KEYS[2])) or 0) + 1
if last then epoch = math.max(epoch, tonumber(string.match(last[1], '^%d+')) + 1) end
if epoch > now + 86400000 then
  -- Epochs come from the clock; no leader of ours had one of another day.
  redis.call('DEL', KEYS[3])
  last, epoch = nil, now
end
epoch = math.max(epoch, now)
if last then
  local kind = last[2][2]
  if kind ~= 'E' and kind ~= 'X' then
    -- The last leader vanished. A tip that kills its leaders must not go through the whole fleet.
    local takeovers = redis.call('INCR', KEYS[6])
    if takeovers == 1 then redis.call('EXPIRE', KEYS[6], 60) end
    if takeovers > tonumber(ARGV[5]) then return {'P', '', strange} end
  end
end
local number = string.format('%.0f', epoch)
redis.call('SET', KEYS[2], number, 'EX', 86400)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
-- From here on Redis itself refuses every entry of an earlier epoch: an id must be above the last.
redis.call('XADD', KEYS[3], 'MINID', number .. '-0', number .. '-0', 'k', 'R', 'o', '0', 'b', 'takeover')
redis.call('PEXPIRE', KEYS[3], ARGV[3])
redis.call(ARGV[6], KEYS[8], number .. ' 0 R 0\ntakeover')
return {'L', number, strange}
