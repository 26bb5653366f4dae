"""The runtime's own evaluation on hidden labels."""
