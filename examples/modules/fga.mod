# A modular model: each team owns a file. ostiary model validate examples/modules/fga.mod
schema: '1.2'
contents:
  - core.fga
  - orders.fga
  - warehouse.fga
