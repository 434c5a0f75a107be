schema: '1.2'
contents:
  - ../modules/faults/core.fga
  - /etc/passwd.fga
  - missing.fga
  - "a\\b.fga"
  - a%2F..%2Fb.fga
  - core.txt
  - 3
  - {}
  - folder.fga
  - core.fga
  - ./core.fga
