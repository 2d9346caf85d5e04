-- check.lua - what every Lua test uses: count, compare, complain with a line.
local check = {}
local count = 0

local function show(v)
  if type(v) == "string" then
    return string.format("%q", v)
  end
  return tostring(v)
end

local function fail(message, label)
  error((label and label .. ": " or "") .. message, 3)
end

-- Fails unless |v| is neither nil nor false; returns it.
function check.ok(v, label)
  count = count + 1
  if not v then
    fail("expected something true, got " .. show(v), label)
  end
  return v
end

-- Fails unless |got| and |want| are equal and of one number type.
function check.eq(got, want, label)
  count = count + 1
  if got ~= want or math.type(got) ~= math.type(want) then
    fail("expected " .. show(want) .. ", got " .. show(got), label)
  end
end

-- Fails unless the string |s| holds the plain text |part|.
function check.has(s, part, label)
  count = count + 1
  if type(s) ~= "string" or not s:find(part, 1, true) then
    fail("expected " .. show(part) .. " in " .. show(s), label)
  end
end

-- Fails unless |fn(...)| raises something whose text holds |part| (may be nil);
-- returns what was raised.
function check.raises(part, fn, ...)
  count = count + 1
  local done, err = pcall(fn, ...)
  if done then
    fail("expected an error with " .. show(part), nil)
  end
  if part and not tostring(err):find(part, 1, true) then
    fail("expected an error with " .. show(part) .. ", got " .. show(err), nil)
  end
  return err
end

-- Fails unless the results are nil (or false) and an error object of |kind|,
-- retryable or not, whose text holds |part| (may be nil); returns the error.
function check.fails(kind, retryable, part, value, err)
  count = count + 1
  if value then
    fail("expected a failure, got " .. show(value), nil)
  end
  if type(err) ~= "userdata" then
    fail("expected an error object, got " .. show(err), nil)
  end
  if err:kind() ~= kind then
    fail("expected kind " .. show(kind) .. ", got " .. show(err:kind()) ..
         " (" .. tostring(err) .. ")", nil)
  end
  if err:retryable() ~= retryable then
    fail("expected retryable " .. show(retryable) .. ", got " ..
         show(err:retryable()), nil)
  end
  if part and not tostring(err):find(part, 1, true) then
    fail("expected " .. show(part) .. " in " .. show(tostring(err)), nil)
  end
  return err
end

-- The last line of every test.
function check.done()
  print(string.format("%d checks passed", count))
end

return check
