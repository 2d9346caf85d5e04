-- time-layouts.lua - layouts and texts with anything in them.
-- status: 0
-- args: --cpu 2s --memory 16MiB
-- stdout: fine
local time = require "time"
local parts = {"2006", "06", "01", "1", "Jan", "January", "02", "_2", "2", "__2",
  "002", "15", "03", "3", "04", "4", "05", "5", "PM", "pm", "MST", "Z07:00",
  "-0700", "Z070000", "-07:00:00", ".000", ",999999999", ".9", "Mon", "Monday",
  "\0", "\255", "%s", "%n", " ", "", ("0"):rep(50)}
local now = time.now()
for i = 1, #parts do
  for j = 1, #parts do
    local layout = parts[i] .. parts[j]
    local text = now:format(layout)
    pcall(time.parse, layout, text)
    pcall(time.parse, text, layout)
    pcall(time.parse, layout, text:sub(1, -2))
  end
end
pcall(time.parse, ("."):rep(4096) .. "999", ("."):rep(4096))
pcall(time.parse, ("x"):rep(5000), ("x"):rep(5000))
print "fine"
