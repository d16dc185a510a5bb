-- TPC-C's five transactions in its mix, without keying and thinking times (TPC-C standard specification, revision 5.11: clauses 2.4 to 2.8, 4.3;
-- 3.3.2 for the conditions). It is no published benchmark. Every table has a key: a changefeed ignores tables without one.
local concat, floor, bit = table.concat, math.floor, require "bit"
local DISTRICTS = 10
local SYLLABLES = { "BAR", "OUGHT", "ABLE", "PRI", "PRES", "ESE", "ANTI", "CALLY", "ATION", "EING" }
local NURAND_C = { [255] = 123, [1023] = 259, [8191] = 7911 }

local function nurand(r, a, n)
  return (bit.bor(r:uniform(0, a), r:uniform(1, n)) + NURAND_C[a]) % n + 1
end
local function last_name(n)
  return SYLLABLES[floor(n / 100) % 10 + 1] .. SYLLABLES[floor(n / 10) % 10 + 1] .. SYLLABLES[n % 10 + 1]
end
local function money(cents) return ("%s%d.%02d"):format(cents < 0 and "-" or "", floor(math.abs(cents) / 100), math.abs(cents) % 100) end
local function cents(decimal) return floor(decimal * 100 + 0.5) end
local LETTERS = ("abcdefghijklmnopqrstuvwxyz "):rep(24)
local function text(r, a, b)
  local from = r:uniform(1, 26)
  return LETTERS:sub(from, from + r:uniform(a, b) - 1)
end
local function zip(r) return ("%04d11111"):format(r:uniform(0, 9999)) end
local function name_number(r, customers) return nurand(r, 255, math.min(1000, customers)) - 1 end

local schema = {
  [[CREATE TABLE warehouse (w_id INT NOT NULL PRIMARY KEY, w_name VARCHAR(10), w_city VARCHAR(20), w_zip CHAR(9), w_tax DECIMAL(4,4) NOT NULL,
    w_ytd DECIMAL(14,2) NOT NULL)]],
  [[CREATE TABLE district (d_w_id INT NOT NULL, d_id INT NOT NULL, d_name VARCHAR(10), d_city VARCHAR(20), d_zip CHAR(9),
    d_tax DECIMAL(4,4) NOT NULL, d_ytd DECIMAL(14,2) NOT NULL, d_next_o_id INT NOT NULL, PRIMARY KEY (d_w_id, d_id))]],
  [[CREATE TABLE customer (c_w_id INT NOT NULL, c_d_id INT NOT NULL, c_id INT NOT NULL, c_first VARCHAR(16), c_middle CHAR(2),
    c_last VARCHAR(16) NOT NULL, c_city VARCHAR(20), c_phone CHAR(16), c_since DATETIME, c_credit CHAR(2) NOT NULL,
    c_discount DECIMAL(4,4) NOT NULL, c_balance DECIMAL(14,2) NOT NULL, c_ytd_payment DECIMAL(14,2) NOT NULL, c_payment_cnt INT NOT NULL,
    c_delivery_cnt INT NOT NULL, c_data VARCHAR(500), PRIMARY KEY (c_w_id, c_d_id, c_id), KEY customer_name (c_w_id, c_d_id, c_last, c_first))]],
  [[CREATE TABLE history (h_worker INT NOT NULL, h_seq BIGINT NOT NULL, h_c_id INT NOT NULL, h_c_d_id INT NOT NULL, h_c_w_id INT NOT NULL,
    h_d_id INT NOT NULL, h_w_id INT NOT NULL, h_date DATETIME, h_amount DECIMAL(8,2) NOT NULL, h_data VARCHAR(24), PRIMARY KEY (h_worker, h_seq))]],
  [[CREATE TABLE orders (o_w_id INT NOT NULL, o_d_id INT NOT NULL, o_id INT NOT NULL, o_c_id INT NOT NULL, o_entry_d DATETIME, o_carrier_id INT,
    o_ol_cnt INT NOT NULL, o_all_local INT NOT NULL, PRIMARY KEY (o_w_id, o_d_id, o_id), KEY orders_customer (o_w_id, o_d_id, o_c_id, o_id))]],
  [[CREATE TABLE new_orders (no_w_id INT NOT NULL, no_d_id INT NOT NULL, no_o_id INT NOT NULL, PRIMARY KEY (no_w_id, no_d_id, no_o_id))]],
  [[CREATE TABLE order_line (ol_w_id INT NOT NULL, ol_d_id INT NOT NULL, ol_o_id INT NOT NULL, ol_number INT NOT NULL, ol_i_id INT NOT NULL,
    ol_supply_w_id INT NOT NULL, ol_delivery_d DATETIME, ol_quantity INT NOT NULL, ol_amount DECIMAL(8,2) NOT NULL, ol_dist_info CHAR(24),
    PRIMARY KEY (ol_w_id, ol_d_id, ol_o_id, ol_number))]],
  [[CREATE TABLE item (i_id INT NOT NULL PRIMARY KEY, i_im_id INT, i_name VARCHAR(24), i_price DECIMAL(5,2) NOT NULL, i_data VARCHAR(50))]],
  [[CREATE TABLE stock (s_w_id INT NOT NULL, s_i_id INT NOT NULL, s_quantity INT NOT NULL, s_dist CHAR(24), s_ytd BIGINT NOT NULL,
    s_order_cnt INT NOT NULL, s_remote_cnt INT NOT NULL, s_data VARCHAR(50), PRIMARY KEY (s_w_id, s_i_id))]],
}

local statements = {
  warehouse_tax   = { "SELECT w_tax FROM warehouse WHERE w_id = ?", rows = true },
  district_next   = { "SELECT d_tax, d_next_o_id FROM district WHERE d_w_id = ? AND d_id = ? FOR UPDATE", rows = true },
  district_take   = { "UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = ? AND d_id = ?" },
  customer        = { "SELECT c_discount, c_last, c_credit FROM customer WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?", rows = true },
  order_add       = { "INSERT INTO orders VALUES (?, ?, ?, ?, NOW(), NULL, ?, ?)" },
  new_order_add   = { "INSERT INTO new_orders VALUES (?, ?, ?)" },
  item            = { "SELECT i_price, i_name, i_data FROM item WHERE i_id = ?", rows = true },
  stock           = { "SELECT s_quantity, s_data, s_dist FROM stock WHERE s_w_id = ? AND s_i_id = ? FOR UPDATE", rows = true },
  stock_take      = { [[UPDATE stock SET s_quantity = ?, s_ytd = s_ytd + ?, s_order_cnt = s_order_cnt + 1, s_remote_cnt = s_remote_cnt + ?
                        WHERE s_w_id = ? AND s_i_id = ?]] },
  line_add        = { "INSERT INTO order_line VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?)" },
  warehouse_pay   = { "UPDATE warehouse SET w_ytd = w_ytd + ? WHERE w_id = ?" },
  district_pay    = { "UPDATE district SET d_ytd = d_ytd + ? WHERE d_w_id = ? AND d_id = ?" },
  by_name         = { "SELECT c_id FROM customer WHERE c_w_id = ? AND c_d_id = ? AND c_last = ? ORDER BY c_first, c_id", rows = true },
  customer_pay    = { [[UPDATE customer SET c_balance = c_balance - ?, c_ytd_payment = c_ytd_payment + ?, c_payment_cnt = c_payment_cnt + 1
                        WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?]] },
  history_add     = { "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, NOW(), ?, ?)" },
  balance         = { "SELECT c_balance, c_first, c_middle, c_last FROM customer WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?", rows = true },
  last_order      = { "SELECT o_id, o_carrier_id FROM orders WHERE o_w_id = ? AND o_d_id = ? AND o_c_id = ? ORDER BY o_id DESC LIMIT 1", rows = true },
  order_lines     = { "SELECT ol_i_id, ol_supply_w_id, ol_quantity, ol_amount FROM order_line WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id = ?" },
  oldest          = { "SELECT no_o_id FROM new_orders WHERE no_w_id = ? AND no_d_id = ? ORDER BY no_o_id LIMIT 1 FOR UPDATE", rows = true },
  new_order_take  = { "DELETE FROM new_orders WHERE no_w_id = ? AND no_d_id = ? AND no_o_id = ?" },
  order_customer  = { "SELECT o_c_id FROM orders WHERE o_w_id = ? AND o_d_id = ? AND o_id = ? FOR UPDATE", rows = true },
  order_carrier   = { "UPDATE orders SET o_carrier_id = ? WHERE o_w_id = ? AND o_d_id = ? AND o_id = ?" },
  lines_sum       = { "SELECT SUM(ol_amount) FROM order_line WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id = ?", rows = true },
  lines_deliver   = { "UPDATE order_line SET ol_delivery_d = NOW() WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id = ?" },
  customer_get    = { [[UPDATE customer SET c_balance = c_balance + ?, c_delivery_cnt = c_delivery_cnt + 1
                        WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?]] },
  next_order      = { "SELECT d_next_o_id FROM district WHERE d_w_id = ? AND d_id = ?", rows = true },
  low_stock       = { [[SELECT COUNT(DISTINCT s_i_id) FROM order_line JOIN stock ON s_w_id = ol_w_id AND s_i_id = ol_i_id
                        WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id >= ? AND ol_o_id < ? AND s_quantity < ?]] },
}

local function first(_, rows) return rows and rows[1] or {} end

local function other_warehouse(r, w, n)
  if n == 1 then return w end
  local other = r:uniform(1, n - 1)
  return other < w and other or other + 1
end

local function new_order(con, r, opt)
  local w, d, c = r:uniform(1, opt.warehouses), r:uniform(1, DISTRICTS), nurand(r, 1023, opt.customers)
  local lines, spoiled, all_local = {}, r:uniform(1, 100) == 1, 1
  for n = 1, r:uniform(5, 15) do
    local remote = r:uniform(1, 100) == 1 and opt.warehouses > 1
    if remote then all_local = 0 end
    lines[n] = { item = nurand(r, 8191, opt.items), from = remote and other_warehouse(r, w, opt.warehouses) or w, quantity = r:uniform(1, 10) }
  end
  if spoiled then lines[#lines].item = opt.items + 1 end -- clause 2.4.1.4: one of a hundred is rolled back
  -- stock in the order of its keys: new orders wait for each other and never in a circle
  table.sort(lines, function(a, b)
    if a.from ~= b.from then return a.from < b.from end
    return a.item < b.item
  end)
  con:begin()
  con:execute("warehouse_tax", w)
  con:execute("customer", w, d, c)
  local order = first(con:execute("district_next", w, d))[2] or 0
  con:execute("district_take", w, d)
  con:execute("order_add", w, d, order, c, #lines, all_local)
  con:execute("new_order_add", w, d, order)
  for n, line in ipairs(lines) do
    local price = first(con:execute("item", line.item))[1]
    if not price then return con:rollback() end
    local stock = first(con:execute("stock", line.from, line.item))
    local left = (stock[1] or 0) - line.quantity
    if left < 10 then left = left + 91 end
    con:execute("stock_take", left, line.quantity, line.from == w and 0 or 1, line.from, line.item)
    con:execute("line_add", w, d, order, n, line.item, line.from, line.quantity, money(cents(price) * line.quantity), stock[3] or "")
  end
  con:commit()
end

-- Clause 2.5.1.2: three of five by name, the middle one of those who share it.
local function find_customer(con, r, opt, w, d)
  if r:uniform(1, 100) > 60 then return nurand(r, 1023, opt.customers) end
  local _, rows = con:execute("by_name", w, d, last_name(name_number(r, opt.customers)))
  if not rows or #rows == 0 then return 1 end
  return rows[floor((#rows + 1) / 2)][1]
end

local function payment(con, r, opt)
  local w, d, amount = r:uniform(1, opt.warehouses), r:uniform(1, DISTRICTS), money(r:uniform(100, 500000))
  local cw, cd = w, d
  if r:uniform(1, 100) > 85 then cw, cd = other_warehouse(r, w, opt.warehouses), r:uniform(1, DISTRICTS) end
  con:begin()
  con:execute("warehouse_pay", amount, w)
  con:execute("district_pay", amount, w, d)
  local c = find_customer(con, r, opt, cw, cd)
  con:execute("customer_pay", amount, amount, cw, cd, c)
  con:execute("history_add", r:worker(), r:seq(), c, cd, cw, d, w, amount, "payment")
  con:commit()
end

local function order_status(con, r, opt)
  local w, d = r:uniform(1, opt.warehouses), r:uniform(1, DISTRICTS)
  con:begin()
  local c = find_customer(con, r, opt, w, d)
  con:execute("balance", w, d, c)
  local order = first(con:execute("last_order", w, d, c))[1]
  if order then con:execute("order_lines", w, d, order) end
  con:commit()
end

local function delivery(con, r, opt)
  local w, carrier = r:uniform(1, opt.warehouses), r:uniform(1, 10)
  con:begin()
  for d = 1, DISTRICTS do
    local order = first(con:execute("oldest", w, d))[1]
    if order then
      con:execute("new_order_take", w, d, order)
      local c = first(con:execute("order_customer", w, d, order))[1] or 0
      con:execute("order_carrier", carrier, w, d, order)
      con:execute("lines_deliver", w, d, order)
      local sum = first(con:execute("lines_sum", w, d, order))[1] or 0
      con:execute("customer_get", money(cents(sum)), w, d, c)
    end
  end
  con:commit()
end

local function stock_level(con, r, opt)
  local w, d = r:uniform(1, opt.warehouses), r:uniform(1, DISTRICTS)
  con:begin()
  local upto = first(con:execute("next_order", w, d))[1] or 1
  con:execute("low_stock", w, d, upto - 20, upto, r:uniform(10, 20))
  con:commit()
end

-- One warehouse's rows, in batches of `INSERT … VALUES (…),(…)`.
local function filler(con)
  local batches = {}
  local function send(into)
    local list = batches[into]
    if list and #list > 0 then con:query(("INSERT INTO %s VALUES %s"):format(into, concat(list, ","))) end
    batches[into] = {}
  end
  return function(into, fmt, ...)
    local list = batches[into] or {}
    batches[into] = list
    list[#list + 1] = fmt:format(...)
    if #list == 500 then send(into) end
  end, function()
    for into in pairs(batches) do send(into) end
  end
end

local function prepare(con, r, w, _, opt)
  local add, flush = filler(con)
  local customers = opt.customers
  r:at(w, 1)
  con:begin()
  if w == 1 then
    for i = 1, opt.items do
      add("item", "(%d,%d,'%s',%s,'%s')", i, r:uniform(1, 10000), text(r, 14, 24), money(r:uniform(100, 10000)), text(r, 26, 50))
    end
  end
  add("warehouse", "(%d,'%s','%s','%s',0.%04d,%d)", w, text(r, 6, 10), text(r, 10, 20), zip(r), r:uniform(0, 2000), customers * 10 * DISTRICTS)
  for i = 1, opt.items do
    add("stock", "(%d,%d,%d,'%s',0,0,0,'%s')", w, i, r:uniform(10, 100), text(r, 24, 24), text(r, 26, 50))
  end
  flush()
  con:commit()
  for d = 1, DISTRICTS do
    con:begin()
    add("district", "(%d,%d,'%s','%s','%s',0.%04d,%d,%d)", w, d, text(r, 6, 10), text(r, 10, 20), zip(r), r:uniform(0, 2000), customers * 10,
        customers + 1)
    local by = {}
    for c = 1, customers do
      by[c] = c
      add("customer", "(%d,%d,%d,'%s','OE','%s','%s','%016d',NOW(),'%s',0.%04d,-10,10,1,0,'%s')", w, d, c, text(r, 8, 16),
          last_name(c <= 1000 and c - 1 or name_number(r, customers)), text(r, 10, 20), r:uniform(0, 999999999),
          r:uniform(1, 10) == 1 and "BC" or "GC", r:uniform(0, 5000), text(r, 300, 500))
      add("history", "(0,%d,%d,%d,%d,%d,%d,NOW(),10,'%s')", ((w - 1) * DISTRICTS + d) * 100000 + c, c, d, w, d, w, text(r, 12, 24))
    end
    for c = customers, 2, -1 do -- each customer has one order, in an order of its own
      local other = r:uniform(1, c)
      by[c], by[other] = by[other], by[c]
    end
    for o = 1, customers do
      local delivered, n = o <= floor(customers * 0.7), r:uniform(5, 15)
      add("orders", "(%d,%d,%d,%d,NOW(),%s,%d,1)", w, d, o, by[o], delivered and r:uniform(1, 10) or "NULL", n)
      if not delivered then add("new_orders", "(%d,%d,%d)", w, d, o) end
      for l = 1, n do
        add("order_line", "(%d,%d,%d,%d,%d,%d,%s,5,%s,'%s')", w, d, o, l, r:uniform(1, opt.items), w, delivered and "NOW()" or "NULL",
            delivered and "0" or money(r:uniform(1, 999999)), text(r, 24, 24))
      end
    end
    flush()
    con:commit()
  end
end

-- Clause 3.3.2: each query returns what breaks its condition.
local function checks(opt)
  return {
    { "1: a warehouse's year-to-date is its districts'", [[SELECT w_id, w_ytd, SUM(d_ytd) FROM warehouse JOIN district ON d_w_id = w_id
        GROUP BY w_id, w_ytd HAVING w_ytd <> SUM(d_ytd)]] },
    { "2: a district's next order follows its last", [[SELECT d_w_id, d_id, d_next_o_id, MAX(o_id) FROM district
        JOIN orders ON o_w_id = d_w_id AND o_d_id = d_id GROUP BY d_w_id, d_id, d_next_o_id HAVING d_next_o_id - 1 <> MAX(o_id)]] },
    { "3: new orders have no gaps", [[SELECT no_w_id, no_d_id, MIN(no_o_id), MAX(no_o_id), COUNT(*) FROM new_orders
        GROUP BY no_w_id, no_d_id HAVING MAX(no_o_id) - MIN(no_o_id) + 1 <> COUNT(*)]] },
    { "4: orders count all lines of their district", [[SELECT o.w, o.d, o.n, l.n FROM
        (SELECT o_w_id w, o_d_id d, SUM(o_ol_cnt) n FROM orders GROUP BY o_w_id, o_d_id) o JOIN
        (SELECT ol_w_id w, ol_d_id d, COUNT(*) n FROM order_line GROUP BY ol_w_id, ol_d_id) l ON l.w = o.w AND l.d = o.d WHERE o.n <> l.n]] },
    { "5: an order without a carrier is a new order, and no other is", [[SELECT o_w_id, o_d_id, o_id, o_carrier_id, no_o_id FROM orders
        LEFT JOIN new_orders ON no_w_id = o_w_id AND no_d_id = o_d_id AND no_o_id = o_id WHERE (o_carrier_id IS NULL) <> (no_o_id IS NOT NULL)]] },
    { "6: an order has as many lines as it says", [[SELECT o_w_id, o_d_id, o_id, o_ol_cnt, COUNT(ol_number) FROM orders
        LEFT JOIN order_line ON ol_w_id = o_w_id AND ol_d_id = o_d_id AND ol_o_id = o_id
        GROUP BY o_w_id, o_d_id, o_id, o_ol_cnt HAVING o_ol_cnt <> COUNT(ol_number)]] },
    { "7: a line is delivered when its order has a carrier", [[SELECT ol_w_id, ol_d_id, ol_o_id, ol_number FROM order_line
        JOIN orders ON o_w_id = ol_w_id AND o_d_id = ol_d_id AND o_id = ol_o_id WHERE (ol_delivery_d IS NULL) <> (o_carrier_id IS NULL)]] },
    { "8: a warehouse's year-to-date is its payments'", [[SELECT w_id, w_ytd, SUM(h_amount) FROM warehouse JOIN history ON h_w_id = w_id
        GROUP BY w_id, w_ytd HAVING w_ytd <> SUM(h_amount)]] },
    { "9: a district's year-to-date is its payments'", [[SELECT d_w_id, d_id, d_ytd, SUM(h_amount) FROM district
        JOIN history ON h_w_id = d_w_id AND h_d_id = d_id GROUP BY d_w_id, d_id, d_ytd HAVING d_ytd <> SUM(h_amount)]] },
    { "10 and 12: a balance is what was delivered less what was paid", [[SELECT c.w, c.d, c.c, c.balance, c.paid, IFNULL(l.amount, 0) FROM
        (SELECT c_w_id w, c_d_id d, c_id c, c_balance balance, c_ytd_payment paid FROM customer) c LEFT JOIN
        (SELECT o_w_id w, o_d_id d, o_c_id c, SUM(ol_amount) amount FROM orders
           JOIN order_line ON ol_w_id = o_w_id AND ol_d_id = o_d_id AND ol_o_id = o_id AND ol_delivery_d IS NOT NULL
           GROUP BY o_w_id, o_d_id, o_c_id) l ON l.w = c.w AND l.d = c.d AND l.c = c.c
        WHERE c.balance + c.paid <> IFNULL(l.amount, 0)]] },
    { "11: what is delivered is no new order", ([[SELECT o.w, o.d, o.n, n.n, c.n FROM
        (SELECT o_w_id w, o_d_id d, COUNT(*) n FROM orders GROUP BY o_w_id, o_d_id) o JOIN
        (SELECT d_w_id w, d_id d, (SELECT COUNT(*) FROM new_orders WHERE no_w_id = d_w_id AND no_d_id = d_id) n FROM district) n
          ON n.w = o.w AND n.d = o.d JOIN
        (SELECT c_w_id w, c_d_id d, SUM(c_delivery_cnt) n FROM customer GROUP BY c_w_id, c_d_id) c ON c.w = o.w AND c.d = o.d
        WHERE o.n - n.n <> %d + c.n]]):format(floor(opt.customers * 0.7)) },
  }
end

return {
  name = "tpcc",
  description = "TPC-C's five transactions in its mix, with its consistency conditions as checks; --set warehouses=N",
  options = {
    warehouses = { 1, "warehouses" },
    items      = { 100000, "items, and rows of stock in each warehouse" },
    customers  = { 3000, "customers of a district, and orders it begins with" },
  },
  statements = statements,
  -- its tables, by the columns that it makes
  tables = {
    "warehouse(w_id, w_name, w_city, w_zip, w_tax, w_ytd)",
    "district(d_w_id, d_id, d_name, d_city, d_zip, d_tax, d_ytd, d_next_o_id)",
    "customer(c_w_id, c_d_id, c_id, c_first, c_middle, c_last, c_city, c_phone, c_since, c_credit, " ..
      "c_discount, c_balance, c_ytd_payment, c_payment_cnt, c_delivery_cnt, c_data)",
    "history(h_worker, h_seq, h_c_id, h_c_d_id, h_c_w_id, h_d_id, h_w_id, h_date, h_amount, h_data)",
    "orders(o_w_id, o_d_id, o_id, o_c_id, o_entry_d, o_carrier_id, o_ol_cnt, o_all_local)",
    "new_orders(no_w_id, no_d_id, no_o_id)",
    "order_line(ol_w_id, ol_d_id, ol_o_id, ol_number, ol_i_id, ol_supply_w_id, ol_delivery_d, ol_quantity, ol_amount, ol_dist_info)",
    "item(i_id, i_im_id, i_name, i_price, i_data)",
    "stock(s_w_id, s_i_id, s_quantity, s_dist, s_ytd, s_order_cnt, s_remote_cnt, s_data)",
  },
  units = "warehouses",
  sequences = "SELECT h_worker, MAX(h_seq) FROM history WHERE h_worker > 0 GROUP BY h_worker",
  checks = checks,
  schema = function(con)
    for _, sql in ipairs(schema) do con:query(sql) end
  end,
  prepare = prepare,

  event = function(con, r, opt)
    local draw = r:uniform(1, 100) -- clause 5.2.3's mix
    if draw <= 45 then return new_order(con, r, opt) end
    if draw <= 88 then return payment(con, r, opt) end
    if draw <= 92 then return order_status(con, r, opt) end
    if draw <= 96 then return delivery(con, r, opt) end
    return stock_level(con, r, opt)
  end,
}
