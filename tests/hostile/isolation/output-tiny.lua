-- output-tiny.lua - lines of one letter: each costs whoever writes it more than the script, which
-- pays for that before much of it has piled up.
-- status: 10
-- args: --cpu 50ms --memory 16MiB
-- stderr: CPU limit
while true do print 'x' end
