"""Messages of protobuf, read without their descriptions."""


def wire_fields(data):
    """(number, wire type, value) of each field of a message: a number for type 0 (varint), bytes for the others."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, kind, varint()
            continue
        size = varint() if kind == 2 else 8 if kind == 1 else 4
        yield tag >> 3, kind, data[at:at + size]
        at += size
