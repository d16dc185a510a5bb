"""What sync_diff_inspector sends for each chunk of sysbench's tables (utils.GetCountAndMD5Checksum).
Usage: peer_query.py TABLE FROM TO: the rows with FROM < id <= TO"""
import sys

COLUMNS = "`id`, `k`, `c`, `pad`"


def query(table, low, high):
    nulls = ", ".join("ISNULL(%s)" % c for c in COLUMNS.split(", "))
    half = "CAST(CONV(SUBSTRING(MD5(CONCAT_WS(',', %s, CONCAT(%s))), %d, 16), 16, 10) AS UNSIGNED)"
    return "SELECT COUNT(*) AS CNT, BIT_XOR(%s ^ %s) AS CHECKSUM FROM sbtest.sbtest%s WHERE id > %s AND id <= %s;" % (
        half % (COLUMNS, nulls, 1), half % (COLUMNS, nulls, 17), table, low, high)


if __name__ == "__main__":
    print(query(*sys.argv[1:4]))
