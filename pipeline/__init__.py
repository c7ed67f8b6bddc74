"""Everything that touches Kafka, Faust, HTTP or the clock."""
