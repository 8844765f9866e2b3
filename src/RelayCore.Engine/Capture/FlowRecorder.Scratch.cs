using System.Numerics;
using RelayCore.Core.Connections;
using RelayCore.Core.Faults;
using RelayCore.Core.Flows;
using RelayCore.Engine.Memory;
using RelayCore.Protocols.Http1;

namespace RelayCore.Engine.Capture;

/// <summary>The part that writes the record. Everything here is called under the recorder's lock.</summary>
public sealed partial class FlowRecorder
{
    /// <summary>Whether this flow is the one looked for; cheap, and wrong only while flows begin and end.</summary>
    internal bool MayBe(FlowId id) => Volatile.Read(ref _idTail) == TailOf(id) && IsActive;

    /// <summary>Id and activity at one moment.</summary>
    internal bool TryGetId(out FlowId id)
    {
        lock (_gate)
        {
            id = _id;
            return _active;
        }
    }

    /// <summary>Copies a running flow.</summary>
    /// <returns><see langword="null"/> when that flow is not running here any more.</returns>
    internal CapturedFlow? Snapshot(FlowId id)
    {
        lock (_gate)
        {
            if (!_active || _id != id)
            {
                return null;
            }

            var blocks = _blocks is not null && _blocks.TryPin() ? _blocks : null;
            for (var room = 512; ; room *= 2)
            {
                var octets = new byte[_length + room];
                _scratch.AsSpan(0, _length).CopyTo(octets);
                var writer = new RecordWriter(octets.AsSpan(_length + SectionHeader.Octets));
                WriteFacts(ref writer, CloseReason.None);
                if (writer.Overflowed)
                {
                    continue;
                }

                SectionHeader.Write(octets.AsSpan(_length), SectionTag.Facts, writer.Position);
                var entry = MakeEntry(hasFault: false);
                entry.Flags |= FlowEntry.IsRunning;
                var length = _length + SectionHeader.Octets + writer.Position;
                return new(
                    entry, octets.AsMemory(0, length), FactsOf(_client!), _server is null ? [] : FactsOf(_server), blocks, blocks?.Messages?.Pin());
            }
        }
    }

    internal static byte[] FactsOf(ConnectionFacts connection)
    {
        for (var length = 512; ; length *= 2)
        {
            var octets = new byte[length];
            var writer = new RecordWriter(octets);
            ConnectionRecord.Write(ref writer, connection);
            if (!writer.Overflowed)
            {
                return octets[..writer.Position];
            }
        }
    }

    private void Head(SectionTag tag, Origin origin, ReadOnlySpan<byte> head, Http1Repairs repairs)
    {
        lock (_gate)
        {
            var length = 32 + (origin.Host.Length * 3) + head.Length;
            RecordWriter writer;
            do
            {
                writer = Open(length);
                writer.Octet(origin.IsSecure ? (byte)1 : (byte)0);
                writer.Number((ulong)origin.Port);
                writer.Text(origin.Host);
                writer.Number((ulong)repairs);
                writer.Octets(head);
            }
            while (!Close(tag, ref writer, ref length));
        }
    }

    private void Head(SectionTag tag, ReadOnlySpan<byte> head, Http1Repairs repairs)
    {
        lock (_gate)
        {
            if (head.Length >= 12 && ReadStatus(head[9..12]) is > 0 and var status)
            {
                _status = status;
            }

            var length = 16 + head.Length;
            RecordWriter writer;
            do
            {
                writer = Open(length);
                writer.Number((ulong)repairs);
                writer.Octets(head);
            }
            while (!Close(tag, ref writer, ref length));
        }
    }

    private static ushort ReadStatus(ReadOnlySpan<byte> digits) =>
        digits.ContainsAnyExceptInRange((byte)'0', (byte)'9') ? (ushort)0 : (ushort)(((digits[0] - '0') * 100) + ((digits[1] - '0') * 10) + digits[2] - '0');

    private void AppendBody(int slot, ReadOnlySpan<byte> octets)
    {
        if (octets.IsEmpty)
        {
            return;
        }

        lock (_gate)
        {
            if (!_active)
            {
                return;
            }

            ref var body = ref _bodies[slot];
            body.Total += octets.Length;
            if (body.IsTruncated)
            {
                return;
            }

            var room = _store.MaxBodyCapture - body.Captured;
            if (octets.Length > room)
            {
                Truncate(slot, ref body);
                octets = octets[..(int)Math.Max(0, room)];
            }

            var inline = Math.Min(octets.Length, InlineBody - body.Inline);
            if (inline > 0)
            {
                if (!TryAppendInline(slot, octets[..inline]))
                {
                    Truncate(slot, ref body);
                    return;
                }

                body.Inline += inline;
                body.Captured += inline;
                octets = octets[inline..];
            }

            if (!octets.IsEmpty)
            {
                _blocks ??= new(_store);
                var taken = _blocks.Append(slot, octets);
                body.Captured += taken;
                if (taken < octets.Length)
                {
                    _marks |= FlowMarks.CaptureBudgetExceeded;
                    Truncate(slot, ref body);
                }
            }
        }
    }

    private void Truncate(int slot, ref BodyState body)
    {
        (body.IsTruncated, _truncated) = (true, true);
        _marks |= (slot & 1) == 0 ? FlowMarks.RequestBodyTruncated : FlowMarks.ResponseBodyTruncated;
    }

    // Pieces of one body that follow each other become one section, so that many small ones cost nothing extra.
    private bool TryAppendInline(int slot, ReadOnlySpan<byte> octets)
    {
        if (_openBody >= 0 && _openSlot == slot)
        {
            if (!EnsureScratch(octets.Length))
            {
                return false;
            }

            octets.CopyTo(_scratch.AsSpan(_length));
            _length += octets.Length;
            var header = _scratch.AsSpan(_openBody);
            SectionHeader.Write(header, SectionTag.Body, SectionHeader.Length(header) + octets.Length);
            return true;
        }

        var start = _length;
        if (!TryTake(SectionTag.Body, 1 + octets.Length, out var payload))
        {
            return false;
        }

        payload[0] = (byte)slot;
        octets.CopyTo(payload[1..]);
        (_openBody, _openSlot) = (start, slot);
        return true;
    }

    /// <summary>Adds a section of known length for the caller to fill.</summary>
    private bool TryTake(SectionTag tag, int length, out Span<byte> payload)
    {
        payload = default;
        if (!_active || !EnsureScratch(SectionHeader.Octets + length))
        {
            return false;
        }

        SectionHeader.Write(_scratch.AsSpan(_length), tag, length);
        payload = _scratch.AsSpan(_length + SectionHeader.Octets, length);
        _length += SectionHeader.Octets + length;
        _openBody = -1;
        return true;
    }

    /// <summary>Opens a section of unknown length; <see cref="Close"/> ends it.</summary>
    /// <param name="length">How long it probably is.</param>
    /// <param name="force">Even when the budget is exhausted.</param>
    private RecordWriter Open(int length, bool force = false)
    {
        _refused = !_active || !EnsureScratch(SectionHeader.Octets + length, force);
        return _refused ? default : new(_scratch.AsSpan(_length + SectionHeader.Octets));
    }

    /// <summary>Ends a section.</summary>
    /// <returns><see langword="false"/> when it did not fit and is to be written again with more room.</returns>
    private bool Close(SectionTag tag, ref RecordWriter writer, ref int length)
    {
        if (_refused)
        {
            return true;
        }

        if (writer.Overflowed)
        {
            length = Math.Max(512, length * 2);
            return false;
        }

        SectionHeader.Write(_scratch.AsSpan(_length), tag, writer.Position);
        _length += SectionHeader.Octets + writer.Position;
        _openBody = -1;
        return true;
    }

    private bool EnsureScratch(int length, bool force = false)
    {
        var needed = (long)_length + length;
        if (needed <= _scratch!.Length)
        {
            return true;
        }

        var size = (int)BitOperations.RoundUpToPowerOf2((ulong)Math.Min(needed, int.MaxValue / 2));
        var growth = size > FreeScratch ? size - _reserved : 0;
        if (!force && (needed > _store.MaxRecord || (growth > 0 && !_store.TryReserve(growth))))
        {
            _truncated = true;
            _marks |= FlowMarks.CaptureBudgetExceeded;
            return false;
        }

        _reserved += force ? 0 : growth;
        var larger = BufferPool.Rent(size);
        _scratch.AsSpan(0, _length).CopyTo(larger);
        BufferPool.Return(_scratch!);
        _scratch = larger;
        return true;
    }

    private void WriteFault(FlowFault? fault)
    {
        if (fault is null)
        {
            return;
        }

        var length = 256 + fault.Detail.Length;
        RecordWriter writer;
        do
        {
            writer = Open(length, force: length <= FreeScratch);
            writer.Text(fault.Code);
            writer.Octet((byte)fault.Stage);
            writer.Octet((byte)fault.Kind);
            writer.OptionalNumber(fault.Blame is { } blame ? (int)blame : -1);
            writer.Text(fault.Detail);
            writer.Octet(fault.IsRetryable ? (byte)1 : (byte)0);
            writer.Block(fault.Octets.Span);
            writer.OptionalNumber(fault.OctetsOffset);
            writer.Texts(fault.CertificateChain);
        }
        while (!Close(SectionTag.Fault, ref writer, ref length));
    }

    private void WriteFacts(CloseReason reason)
    {
        var length = 256;
        RecordWriter writer;
        do
        {
            writer = Open(length, force: true);
            WriteFacts(ref writer, reason);
        }
        while (!Close(SectionTag.Facts, ref writer, ref length));
    }

    private void WriteFacts(ref RecordWriter writer, CloseReason reason)
    {
        writer.Octet((byte)reason);
        writer.Octet(_parent.IsEmpty ? (byte)0 : (byte)1);
        if (!_parent.IsEmpty)
        {
            Span<byte> parent = stackalloc byte[16];
            _parent.Value.TryWriteBytes(parent);
            writer.Octets(parent);
        }

        writer.Number((ulong)_exchange);
        for (var point = 1; point < StampCount; point++)
        {
            var stamp = Volatile.Read(ref _stamps[point]);
            writer.OptionalNumber(stamp == 0 ? -1 : _store.Microseconds(_startTimestamp, stamp));
        }

        for (var slot = 0; slot < BodySlot.Count; slot++)
        {
            ref var body = ref _bodies[slot];
            writer.Octet((byte)((body.IsUsed ? 1 : 0) | (body.IsTruncated ? 2 : 0)));
            if (slot < 2 || body.IsUsed)
            {
                writer.Number((ulong)body.Total);
                writer.Number((ulong)body.Captured);
                writer.Number((ulong)body.Prefix);
            }
        }

        var extras = (_messages > 0 ? FlowFacts.HasMessages : 0) | (_clientStream + _serverStream > 0 ? FlowFacts.HasStreams : 0)
            | (_closeCode != 0 ? FlowFacts.HasClose : 0);
        writer.Octet((byte)extras);
        if (_messages > 0)
        {
            writer.Number((ulong)_messages);
            writer.Number((ulong)_firstMessage);
        }

        if (_clientStream + _serverStream > 0)
        {
            writer.Number((ulong)_clientStream);
            writer.Number((ulong)_serverStream);
        }

        if (_closeCode != 0)
        {
            writer.OptionalNumber(_closedBy is { } by ? (int)by : -1);
            writer.Number((ulong)_closeCode);
            writer.Text(_closeReason);
        }
    }
}
