-- Only the ledger's rows: the smallest transaction that can be looked for, so the finest RPO.
return {
  name = "ledger",
  description = "each transaction only inserts its (worker, sequence) into drtest_ledger, to measure RPO with the finest resolution",
  ledger = true,
  statements = {},

  event = function(con)
    con:begin()
    con:commit() -- with ledger = true the row is inserted just before COMMIT
  end,
}
