-- Finds out what this replica is to a tip: done, follower, or leader of a new epoch.
-- KEYS     lease (owner), epoch (the last one), log (stream), done (hash e, t), recent (a failure),
--          takeovers (counter), channel
-- ARGV     owner; lease in ms; the log's life in ms; the lowest epoch of a finished tip that will do, 0 for any;
--          takeovers in a minute; the command that publishes
-- Returns  {'H', tip}       it is finished
--          {'N', cause}     it failed a moment ago
--          {'F'}            another replica has it written
--          {'P'}            it lost so many leaders that it is left alone
--          {'L', epoch}     the lease is yours
local done = redis.call('HMGET', KEYS[4], 'e', 't')
if done[1] and tonumber(done[1]) >= tonumber(ARGV[4]) then return {'H', done[2]} end
local recent = ARGV[4] == '0' and redis.call('GET', KEYS[5])
if recent then return {'N', recent} end
if redis.call('EXISTS', KEYS[1]) == 1 then return {'F'} end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local epoch = math.max(now, (tonumber(redis.call('GET', KEYS[2])) or 0) + 1)
if last then
  epoch = math.max(epoch, tonumber(string.match(last[1], '^%d+')) + 1)
  local kind = last[2][2]
  if kind ~= 'E' and kind ~= 'X' then
    -- The last leader vanished. A tip that kills its leaders must not go through the whole fleet.
    local takeovers = redis.call('INCR', KEYS[6])
    if takeovers == 1 then redis.call('EXPIRE', KEYS[6], 60) end
    if takeovers > tonumber(ARGV[5]) then return {'P'} end
  end
end
local number = string.format('%.0f', epoch)
redis.call('SET', KEYS[2], number, 'EX', 86400)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
-- From here on Redis itself refuses every entry of an earlier epoch: an id must be above the last.
redis.call('XADD', KEYS[3], 'MINID', number .. '-0', number .. '-0', 'k', 'R', 'o', '0', 'b', 'takeover')
redis.call('PEXPIRE', KEYS[3], ARGV[3])
redis.call(ARGV[6], KEYS[7], number .. ' 0 R 0\ntakeover')
return {'L', number}
