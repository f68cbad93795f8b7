-- Takes money for one attempt out of the day's budget.
-- KEYS     what was spent and reserved today, in millionths of a dollar
-- ARGV     the budget; what is wanted; what this replica knows was spent; what it spent while Redis was away
-- Returns  {1 when it was granted, what is spent now}
-- A Redis that forgot the day learns of it from the first replica that asks.
local spent = tonumber(redis.call('GET', KEYS[1]) or ARGV[3]) + tonumber(ARGV[4])
local granted = spent + tonumber(ARGV[2]) <= tonumber(ARGV[1])
if granted then spent = spent + tonumber(ARGV[2]) end
redis.call('SET', KEYS[1], string.format('%.0f', spent), 'EX', 172800)
return {granted and 1 or 0, spent}
