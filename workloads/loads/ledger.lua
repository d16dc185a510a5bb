-- Only the ledger's rows: the smallest transaction that can be looked for, so the finest RPO.
return {
  name = "ledger",
  description = "each transaction inserts its (worker, sequence) into drtest_ledger and nothing else: for the finest RPO",
  ledger = true,
  statements = {},

  event = function(con)
    con:begin()
    con:commit() -- with ledger = true the row is inserted just before COMMIT
  end,
}
