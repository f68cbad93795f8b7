-- Adds one entry to the log of a tip, and renews the lease; without an entry it only renews.
-- KEYS     lease, log, epoch, followers (zset of replica by expiry in ms), channel
-- ARGV     owner; lease in ms; the log's life in ms; the command that publishes;
--          epoch; number, empty for none; kind; offset; bytes
-- Returns  {'K', how many other replicas follow}  kept; so is an entry that was there already
--          {'R', how many other replicas follow}  renewed
--          {'L'}                                  another leader took over
--          {'G'}                                  Redis forgot the log
-- A lease that has no end, or one later than any of ours, is nobody's.
local left = redis.call('PTTL', KEYS[1])
local held = left > 0 and left <= tonumber(ARGV[2]) and redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return {'L'} end
if not held then
  -- The lease ran out, and as long as nobody took it, it can be had again.
  local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  if not last then return {'G'} end
  if tonumber(string.match(last[1], '^%d+')) > tonumber(ARGV[5]) then return {'L'} end
  -- Overtaken by our own end: nothing is left to renew.
  if last[2][2] == 'E' or last[2][2] == 'X' then return {'L'} end
end
if ARGV[6] ~= '' then
  local id = ARGV[5] .. '-' .. ARGV[6]
  local added = redis.pcall('XADD', KEYS[2], 'NOMKSTREAM', id, 'k', ARGV[7], 'o', ARGV[8], 'b', ARGV[9])
  if not added then return {'G'} end
  if type(added) == 'table' and added.err then
    -- Refused for what it is, not for where it would stand.
    if not string.find(added.err, 'equal or smaller', 1, true) then return added end
    -- Sent twice because the first answer was lost, or too late.
    if #redis.call('XRANGE', KEYS[2], id, id) == 0 then
      -- Whoever leads told its epoch; else a stranger stands in our way, and the log is no log any more.
      if (tonumber(redis.call('GET', KEYS[3])) or 0) > tonumber(ARGV[5]) then return {'L'} end
      redis.call('DEL', KEYS[2])
      return {'G'}
    end
  else
    if ARGV[7] == 'R' then redis.call('SET', KEYS[3], ARGV[5], 'EX', 86400) end
    redis.call(ARGV[4], KEYS[5], ARGV[5] .. ' ' .. ARGV[6] .. ' ' .. ARGV[7] .. ' ' .. ARGV[8] .. '\n' .. ARGV[9])
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return {ARGV[6] ~= '' and 'K' or 'R', redis.call('ZCOUNT', KEYS[4], now, '+inf')}
