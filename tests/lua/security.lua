-- security.lua - actors, scopes and policies as scripts see them.
local check = require "check"
local json = require "json"
local security = require "security"

local INVALID, DENIED = errors.INVALID, errors.PERMISSION_DENIED

-- Fails unless the results are a refusal of |action| on |resource|, by |policy|
-- (nil: none allowed).
local function refused(action, resource, policy, value, err)
  check.fails(DENIED, false, action, value, err)
  local details = err:details()
  check.eq(details.action, action)
  check.eq(details.resource, resource)
  check.eq(details.policy, policy)
end

-- The module and its objects cannot be changed.
do
  check.raises("read-only", function() security.can = nil end)
  check.eq(getmetatable(security), false)
  local actor = check.ok(security.new_actor("a"))
  local scope = check.ok(security.new_scope())
  local policy = check.ok(security.policy("t:read"))
  for _, object in ipairs { actor, scope, policy } do
    check.eq(type(object), "userdata")
    check.eq(getmetatable(object), false)
    check.raises(nil, function() object.id = 1 end)
    check.raises(nil, function() object.meta = {} end)
    check.raises("expected", object.evaluate or object.id, nil)
    check.raises("expected", object.evaluate or object.id, {})
  end
  check.raises("expected", scope.contains, policy, "t:read")
  check.raises("expected", policy.id, actor)
  check.raises("expected", actor.meta, policy)
  check.raises("expected", scope.evaluate, scope, policy, "read", "")
end

-- The script's own actor and scope.
do
  local actor = security.actor()
  check.eq(type(actor:id()), "string")
  check.eq(type(actor:meta()), "table")
  actor:meta().role = "admin"
  check.eq(actor:meta().role, nil, "a copy")
  local scope = security.scope()
  check.eq(#scope:policies(), 11)
  check.ok(scope:contains("t:read"))
  check.eq(scope:policies()[1]:id(), "t:erring", "by id")
  check.eq(scope:evaluate(actor, "read", "x"), "allow")
  check.eq(scope:evaluate(actor, "burn", "x"), "undefined")
end

-- Policies by id.
do
  local read = check.ok(security.policy("t:read"))
  check.eq(read:id(), "t:read")
  local actor = security.new_actor("a")
  check.eq(read:evaluate(actor, "read", "x"), "allow")
  check.eq(read:evaluate(actor, "list", ""), "allow")
  check.eq(read:evaluate(actor, "write", "x"), "undefined")
  check.fails(errors.NOT_FOUND, false, "no policy 't:raed'",
              security.policy("t:raed"))
  check.fails(errors.NOT_FOUND, false, nil, security.policy("gone:read"))
  refused("security.policy.get", "x:read", nil, security.policy("x:read"))
  refused("security.policy.get", "read", nil, security.policy("read"))
  refused("security.policy.get", "", nil, security.policy(""))
  refused("security.policy.get", "t:secret", "t:secret",
          security.policy("t:secret"))
  check.fails(DENIED, false, nil, security.policy("\0\n\27[31m\xff"))
  check.fails(INVALID, false, "512", security.policy(("x"):rep(513)))
  check.raises("expected", security.policy)
  check.raises("expected", security.policy, 7)
  check.raises("expected", read.evaluate, read, "a", "read", "x")
  check.raises("expected", read.evaluate, read, actor, "read")
  check.raises("expected", read.evaluate, read, actor, 1, "x")
  check.raises("expected", read.evaluate, read, actor, "read", 1)
  check.raises("expected", read.evaluate, read, actor, "read", "x", "meta")
end

-- Groups.
do
  local both = check.ok(security.named_scope("t:both"))
  local ids = {}
  for i, p in ipairs(both:policies()) do
    ids[i] = p:id()
  end
  check.eq(table.concat(ids, " "), "t:locked t:read t:role")
  check.eq(#security.named_scope("t:readers"):policies(), 1)
  check.fails(errors.NOT_FOUND, false, "no group",
              security.named_scope("t:read"))
  refused("security.policy_group.get", "u:x", nil, security.named_scope("u:x"))
  check.fails(INVALID, false, "512", security.named_scope(("x"):rep(513)))
  check.raises("expected", security.named_scope, {})

  local editor = security.new_actor("e", { role = "editor" })
  local guest = security.new_actor("g", { role = "guest" })
  check.eq(both:evaluate(editor, "write", "doc:1"), "allow")
  check.eq(both:evaluate(guest, "write", "doc:1"), "undefined")
  check.eq(both:evaluate(security.new_actor("n"), "write", "doc:1"),
           "undefined")
  check.eq(both:evaluate(editor, "write", "doc:1", { locked = true }), "deny")
  check.eq(both:evaluate(editor, "write", "doc:1", { locked = false }), "allow")
  local erring = security.named_scope("t:erring")
  check.eq(erring:evaluate(editor, "err", "x"), "deny")
  check.eq(erring:evaluate(security.new_actor("n", { level = 3 }), "err", "x"),
           "undefined")
  check.eq(erring:evaluate(security.new_actor("n", { level = 4 }), "err", "x"),
           "deny")
end

-- Scopes are immutable sets.
do
  local empty = check.ok(security.new_scope())
  local read, role = security.policy("t:read"), security.policy("t:role")
  local actor = security.new_actor("a", { role = "admin" })
  check.eq(#empty:policies(), 0)
  check.eq(empty:evaluate(actor, "read", "x"), "undefined")
  local one = check.ok(empty:with(read))
  check.eq(#empty:policies(), 0)
  check.eq(#one:policies(), 1)
  check.eq(#one:with(read):policies(), 1)
  local two = one:with(role)
  check.eq(#two:policies(), 2)
  check.eq(two:evaluate(actor, "write", "doc:1"), "allow")
  check.eq(one:evaluate(actor, "write", "doc:1"), "undefined")
  for _, id in ipairs { "t:read", read, { ns = "t", name = "read" } } do
    check.eq(two:contains(id), true)
    local rest = check.ok(two:without(id))
    check.eq(two:contains(id), true)
    check.eq(rest:contains(id), false)
    check.eq(#rest:policies(), 1)
    check.eq(#rest:without(id):policies(), 1)
  end
  check.eq(empty:contains("t:read"), false)
  check.eq(empty:contains(""), false)
  check.eq(#empty:without("t:read"):policies(), 0)
  local list = security.new_scope { role, read, role }
  check.eq(#list:policies(), 2)
  check.eq(list:policies()[1]:id(), "t:read")
  check.eq(#security.new_scope {}:policies(), 0)
  check.eq(#security.new_scope(security.scope():policies()):policies(), 11)
  check.raises("expected", two.with, two, "t:read")
  check.raises("expected", two.with, two)
  check.raises("expected", two.without, two)
  check.raises("expected", two.contains, two, 1)
  check.raises("'ns'", two.contains, two, { ns = "t" })
  check.raises("'ns'", two.contains, two, setmetatable({ name = "read" },
    { __index = function() error "asked" end }))
  check.raises("list", security.new_scope, { read = read })
  check.raises("list", security.new_scope, { [2] = read })
  check.raises("item 2", security.new_scope, { read, "t:role" })
  check.raises("expected", security.new_scope, read)
  -- a list that the collector empties while it is read
  local weak = setmetatable({}, { __mode = "v" })
  for i = 1, 3000 do
    weak[i] = security.policy("t:read")
  end
  pcall(security.new_scope, weak)
end

-- Actors.
do
  local actor = check.ok(security.new_actor("user:1", { a = 1 }))
  check.eq(actor:id(), "user:1")
  check.eq(actor:meta().a, 1)
  check.eq(next(security.new_actor("x"):meta()), nil)
  refused("security.actor.create", "root:1", "t:nobody-else",
          security.new_actor("root:1", { a = 1 }))
  check.fails(INVALID, false, "512", security.new_actor(("x"):rep(513)))
  check.eq(#security.new_actor(("x"):rep(512)):id(), 512)
  check.eq(security.new_actor("a\0b"):id(), "a\0b")
  check.raises("expected", security.new_actor)
  check.raises("expected", security.new_actor, 1)
  check.raises("expected", security.new_actor, "x", "meta")
end

-- Metadata: what can be in it comes back as it was.
do
  local shared = { "x" }
  local meta = {
    yes = true, no = false, i = math.mininteger, j = math.maxinteger,
    f = 0.5, g = -0.0, s = "", z = "\0\xff", list = { 1, "two", { 3 }, {} },
    map = { a = { b = { c = "d" } } }, null = json.null, one = shared,
    two = shared, [""] = "empty key",
  }
  local got = security.new_actor("x", meta):meta()
  check.eq(json.encode(got.list), '[1,"two",[3],[]]')
  check.eq(json.encode(got.map), '{"a":{"b":{"c":"d"}}}')
  for _, key in ipairs { "yes", "no", "i", "j", "f", "g", "s", "z", "" } do
    check.eq(got[key], meta[key], key)
  end
  check.eq(got.null, nil)
  check.eq(got.one[1], "x")
  check.eq(got.two[1], "x")
  check.eq(getmetatable(got), nil)
  meta.map.a = nil
  shared[1] = "y"
  check.eq(got.map.a.b.c, "d")
  local empty = json.decode('{"o": {}, "a": []}')
  check.eq(json.encode(security.new_actor("x", empty):meta()),
           '{"a":[],"o":{}}')
  -- raw access: a metatable is not asked, and is no data
  local asked = setmetatable({ a = 1 }, {
    __index = function() error "asked" end,
    __pairs = function() error "asked" end,
    __len = function() error "asked" end,
  })
  check.eq(security.new_actor("x", asked):meta().a, 1)
end

-- Metadata: what cannot be is refused, and where it is is said.
do
  local read, actor = security.policy("t:read"), security.new_actor("a")
  local function bad(part, meta)
    check.fails(INVALID, false, part, security.new_actor("x", meta))
    check.fails(INVALID, false, part, read:evaluate(actor, "read", "x", meta))
    check.fails(INVALID, false, part,
                security.new_scope():evaluate(actor, "read", "x", meta))
    local can, err = security.can("read", "x", meta)
    check.eq(can, false)
    check.fails(INVALID, false, part, can, err)
  end
  bad("metadata.a.b[2] is a function", { a = { b = { 1, print } } })
  bad("metadata.a is a thread", { a = coroutine.create(print) })
  bad("metadata.a is a userdata", { a = actor })
  bad("metadata.a is a userdata", { a = channel.new(1) })
  bad("metadata.a is no finite number", { a = 0 / 0 })
  bad("metadata.a[1] is no finite number", { a = { math.huge } })
  bad("metadata is a list", { 1, 2 })
  bad("mixed keys", { 1, a = 2 })
  bad("mixed keys", { a = { 1, b = 2 } })
  bad("mixed keys", { a = { [1.5] = 2 } })
  bad("mixed keys", { [true] = 2 })
  bad("sparse", { a = { [2] = 1 } })
  bad("sparse", { a = { [-1] = 1 } })
  bad("sparse", { a = { [1 << 60] = 1 } })
  local loop = {}
  loop.a = { b = { loop } }
  bad("metadata.a.b[1] contains itself", loop)
  loop = { a = {} }
  loop.a.b = loop.a
  bad("metadata.a.b contains itself", loop)
  local deep = {}
  for _ = 1, 31 do
    deep = { a = deep }
  end
  check.ok(security.new_actor("x", deep))
  bad("deeper than 32 levels", { a = deep })
  for _ = 1, 100000 do
    deep = { a = deep }
  end
  bad("deeper than 32 levels", deep)
  local wide = {}
  for i = 1, 2047 do
    wide[i] = i
  end
  check.eq(#security.new_actor("x", { a = { table.unpack(wide, 1, 2046) } })
           :meta().a, 2046)
  bad("more than 2048 values", { a = wide })
  bad("more than 2048 values", { a = { wide, wide } })
  for i = 1, 300000 do
    wide[i] = i
  end
  bad("more than 2048 values", { a = wide })
  local keys = {}
  for i = 1, 2048 do
    keys["k" .. i] = i
  end
  bad("more than 2048 values", keys)
  keys.k1 = nil
  check.eq(security.new_actor("x", keys):meta().k2048, 2048)
  local bomb = "x"
  for _ = 1, 30 do
    bomb = { a = bomb, b = bomb, c = bomb, d = bomb }
  end
  bad("more than 2048 values", bomb)
  check.eq(#security.new_actor("x", { a = ("x"):rep(65535) }):meta().a, 65535)
  bad("65536 bytes", { a = ("x"):rep(65536) })
  bad("65536 bytes", { [("x"):rep(65537)] = "" })
  bad("65536 bytes", { a = ("x"):rep(1 << 20) })
  bad("metadata.\\", { ["\27[31m\n"] = print })
  bad("metadata", { [("k"):rep(60000)] = { [("l"):rep(5000)] = print } })
end

-- Metadata as policies see it.
do
  local seen, actor = security.policy("t:seen"), security.new_actor("a")
  local function meta(key, value)
    local m = { n = 7, f = 1.5, list = { "a", "b" },
                deep = { er = { yes = true } }, null = json.null, empty = {} }
    m[key or "n"] = key and value or 7
    return m
  end
  check.eq(seen:evaluate(actor, "see", "", meta()), "allow")
  check.eq(seen:evaluate(actor, "see", "", meta("n", 7.0)), "allow")
  check.eq(seen:evaluate(actor, "see", "", meta("n", "7")), "undefined")
  check.eq(seen:evaluate(actor, "see", "", meta("list", { "a" })), "undefined")
  check.eq(seen:evaluate(actor, "see", "", meta("null", 1)), "undefined")
  check.eq(seen:evaluate(actor, "see", ""), "undefined")
end

-- May I?  Answers what a guard will answer, and changes nothing.
do
  check.eq(security.can("read", "anything"), true)
  check.eq(security.can("burn", "anything"), false)
  check.eq(security.can("", ""), false)
  check.eq(security.can("see", "x", { n = 7, f = 1.5, list = { "b" },
    deep = { er = { yes = true } }, empty = {} }), true)
  check.eq(security.can("security.policy.get", "t:read"), true)
  check.eq(security.can("security.policy.get", "t:secret"), false)
  check.eq(security.can("security.actor.create", "root"), false)
  check.eq(security.can("websocket.connect", ""), true)
  local url = "websocket.connect.url"
  check.eq(security.can(url, "wss://feed.example.com/v1/a"), true)
  check.eq(security.can(url, "WSS://FEED.example.com.:443/v1/%61"), true)
  check.eq(security.can(url, "wss://feed.example.com/v2/a"), false)
  for _, text in ipairs { "", "feed", "wss://user@feed.example.com/v1/a",
                          "wss://feed.example.com/v1/../x", "wss://a b/" } do
    local can, err = security.can(url, text)
    check.eq(can, false)
    check.fails(INVALID, false, nil, can, err)
  end
  -- connect has no metadata to pass: neither has the question
  check.eq(security.can(url, "wss://trusted.example.com/", { trusted = true }),
           false)
  check.eq(security.policy("t:trusted"):evaluate(security.actor(), url,
    "wss://trusted.example.com/", { trusted = true }), "allow")
  local address = "websocket.connect.address"
  check.eq(security.can(address, "93.184.216.34:443"), true)
  check.eq(security.can(address, "10.0.0.1:443"), false)
  check.eq(security.can(address, "10.20.3.4:443"), true)
  check.eq(security.can(address, "10.20.3.4:444"), false)
  check.eq(security.can(address, "127.0.0.1:80"), false)
  check.eq(security.can(address, "127.0.0.1:80", { url = "ws://localhost:80" }),
           true)
  check.eq(security.can(address, "[::1]:80", { url = "ws://localhost" }), true)
  check.eq(security.can(address, "10.0.0.1:80", { url = "ws://localhost" }),
           false)
  check.eq(security.can(address, "93.184.216.34:443", { url = "wss://a.b/" }),
           false, "the URL is refused")
  check.fails(INVALID, false, "no address", security.can(address, "10.0.0.1"))
  check.fails(INVALID, false, "no address", security.can(address, ""))
  check.fails(INVALID, false, nil,
              security.can(address, "10.0.0.1:1", { url = "x" }))
  check.fails(INVALID, false, "metadata.url is a number",
              security.can(address, "10.0.0.1:1", { url = 1 }))
  check.fails(INVALID, false, "4096", security.can("read", ("x"):rep(4097)))
  check.fails(INVALID, false, "256", security.can(("x"):rep(257), ""))
  check.eq(security.can("read", ("x"):rep(4096)), true)
  check.raises("expected", security.can)
  check.raises("expected", security.can, "read")
  check.raises("expected", security.can, "read", 1)
  check.raises("expected", security.can, "read", "x", 1)
  -- a scope of the script's own makes no difference
  local scope = security.new_scope():with(security.policy("t:read"))
  check.eq(scope:evaluate(security.actor(), "websocket.connect", ""),
           "undefined")
  check.eq(security.can("websocket.connect", ""), true)
end

-- Addresses in scopes: the class is nothing a single policy says.
do
  local actor, address = security.actor(), "websocket.connect.address"
  local localhost = security.policy("t:local")
  local scope = security.new_scope { localhost }
  check.eq(localhost:evaluate(actor, address, "10.20.0.1:443"), "allow")
  check.eq(localhost:evaluate(actor, address, "10.21.0.1:443"), "undefined")
  check.eq(localhost:evaluate(actor, address, "8.8.8.8:443"), "undefined")
  check.eq(scope:evaluate(actor, address, "10.20.0.1:443"), "allow")
  check.eq(scope:evaluate(actor, address, "10.21.0.1:443"), "deny")
  check.eq(scope:evaluate(actor, address, "8.8.8.8:443"), "allow")
  check.eq(scope:evaluate(actor, address, "127.0.0.1:80",
                          { url = "ws://localhost" }), "allow")
  check.fails(INVALID, false, "no address",
              scope:evaluate(actor, address, "nowhere"))
  check.fails(INVALID, false, nil,
              scope:evaluate(actor, "websocket.connect.url", "nowhere"))
end

-- Many objects are garbage like anything else.
do
  for i = 1, 20000 do
    local actor = security.new_actor("a" .. i, { a = { b = i } })
    security.scope():with(security.policy("t:read"))
    if i % 5000 == 0 then
      check.eq(actor:meta().a.b, i)
    end
  end
  local weak = setmetatable({}, { __mode = "k" })
  for i = 1, 2000 do
    weak[security.scope()] = i
    weak[security.policy("t:read")] = i
    for object in pairs(weak) do
      pcall(function() return object:policies() end)
      break
    end
  end
end

-- Where nothing can wait it works as well.
do
  local list = { "t:role", "t:read" }
  table.sort(list, function(a, b)
    return security.policy(a):id() < security.policy(b):id()
  end)
  check.eq(list[1], "t:read")
end

check.done()
