-- error-messages.lua - messages name the script as it was given, and
-- nothing else of the host.
-- status: 0
-- args: --cpu 1s --memory 16MiB
-- stdout: contained
local function no_secret(text)
  text = tostring(text)
  assert(not text:find("/usr/") and not text:find("/lib") and
         not text:find("%.c:%d") and not text:find("0x"), text)
end
for _, f in ipairs {
  function() error() end, function() local x = nil; x() end,
  function() return 1 + {} end, function() require "nothing.here" end,
  function() require "/etc/passwd" end, function() channel.new("x") end,
  function() channel.new(1e9) end, function() string.rep() end,
  function() require "time".now():add({}) end,
  function() error(errors.new("x")) end} do
  local ok, err = pcall(f)
  no_secret(err)
  if type(err) == "userdata" then
    no_secret(err:stack())
    for _, frame in ipairs(errors.call_stack(err).frames) do
      no_secret(frame.source)
    end
  end
end
print "contained"
