"""Pure core: contracts, matching, sentiment and detection. No sockets, files, brokers or clocks."""
