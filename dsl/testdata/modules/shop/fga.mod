# A shop: three modules in four files.
schema: '1.2'
contents:
  - core.fga
  - ./orders/orders.fga
  - "orders/returns.fga"
  - warehouse.fga
