---@meta security

---What policies say.  Nothing here changes what the script itself may do.
---@class security
local security = {}

---@alias security.Verdict "allow"|"deny"|"undefined"

---Who asks.
---@class security.Actor
local Actor = {}

---@return string
---@nodiscard
function Actor:id() end

---A copy of its attributes.
---@return table
---@nodiscard
function Actor:meta() end

---@class security.Policy
local Policy = {}

---Its name, "namespace:name".
---@return string
---@nodiscard
function Policy:id() end

---What this policy alone says.
---@param actor security.Actor
---@param action string
---@param resource string
---@param meta? table
---@return security.Verdict
---@nodiscard
function Policy:evaluate(actor, action, resource, meta) end

---A set of policies; it never changes.
---@class security.Scope
local Scope = {}

---The same with one more.
---@param policy security.Policy
---@return security.Scope
---@nodiscard
function Scope:with(policy) end

---The same without one.
---@param policy security.Policy|string
---@return security.Scope
---@nodiscard
function Scope:without(policy) end

---@param id string
---@return boolean
---@nodiscard
function Scope:contains(id) end

---@return security.Policy[]
---@nodiscard
function Scope:policies() end

---What they say together: a deny is final.
---@param actor security.Actor
---@param action string
---@param resource string
---@param meta? table
---@return security.Verdict
---@nodiscard
function Scope:evaluate(actor, action, resource, meta) end

---The actor of this script, if it has one.
---@return security.Actor|nil
---@nodiscard
function security.actor() end

---The policies in force for this script.
---@return security.Scope
---@nodiscard
function security.scope() end

---May this script do that?
---@param action string
---@param resource? string
---@param meta? table
---@return boolean
---@nodiscard
function security.can(action, resource, meta) end

---Asks for `security.actor.create`.
---@param id string
---@param meta? table
---@return security.Actor|nil actor
---@return errors.Error|nil err
---@nodiscard
function security.new_actor(id, meta) end

---Asks for `security.scope.create`.
---@param policies? security.Policy[]
---@return security.Scope|nil scope
---@return errors.Error|nil err
---@nodiscard
function security.new_scope(policies) end

---Finds a policy, "namespace:name".  Asks for `security.policy.get`.
---@param id string
---@return security.Policy|nil policy
---@return errors.Error|nil err
---@nodiscard
function security.policy(id) end

---The policies of a group, "namespace:group".  Asks for
---`security.policy_group.get`.
---@param id string
---@return security.Scope|nil scope
---@return errors.Error|nil err
---@nodiscard
function security.named_scope(id) end

return security
