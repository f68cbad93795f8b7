-- Ends a generation: with a tip, or with a failure. Only the current epoch may.
-- KEYS     lease, log, epoch, done, recent, channel; as in join.lua
-- ARGV     owner; epoch; number; E or X; the tip or the cause; how long that is kept in ms, 0 for not at all;
--          the log's life in ms; the command that publishes
-- Returns  {'K'}  closed
--          {'L'}  another leader took over
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return {'L'} end
local epoch = redis.call('GET', KEYS[3])
if (tonumber(epoch) or 0) > tonumber(ARGV[2]) then return {'L'} end
local id = ARGV[2] .. '-' .. ARGV[3]
-- A log that Redis forgot is no reason to lose the tip.
local added = redis.pcall('XADD', KEYS[2], 'NOMKSTREAM', id, 'k', ARGV[4], 'o', '0', 'b', ARGV[5])
if type(added) == 'table' and added.err then
  -- Refused for what it is, not for where it would stand.
  if not string.find(added.err, 'equal or smaller', 1, true) then return added end
  -- The epoch is the newest, so a stranger stands in our way.
  if #redis.call('XRANGE', KEYS[2], id, id) == 0 then redis.call('DEL', KEYS[2]) end
end
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('SET', KEYS[3], ARGV[2], 'EX', 86400)
if ARGV[6] ~= '0' then
  if ARGV[4] == 'E' then
    redis.call('SET', KEYS[4], ARGV[2] .. ' ' .. ARGV[5], 'PX', ARGV[6])
    redis.call('DEL', KEYS[5])
  else
    redis.call('SET', KEYS[5], ARGV[5], 'PX', ARGV[6])
  end
end
redis.call('DEL', KEYS[1])
redis.call(ARGV[8], KEYS[6], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. ' 0\n' .. ARGV[5])
return {'K'}
