-- clock.lua - os.clock is the script's own time and moves on.
-- status: 0
-- args: --cpu 2s --memory 8MiB
-- stdout: fine
local begin = os.clock()
assert(begin >= 0 and begin < 2)
while os.clock() < begin + 0.01 do end
local before = os.clock()
require "time".sleep("50ms")
assert(os.clock() - before < 0.045)
print "fine"
