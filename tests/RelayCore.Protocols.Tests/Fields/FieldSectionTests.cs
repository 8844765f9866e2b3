using CsCheck;
using RelayCore.Protocols.Fields;
using RelayCore.Protocols.Tests.Http1;
using Xunit;

namespace RelayCore.Protocols.Tests.Fields;

public sealed class FieldSectionTests
{
    private const string Head = "GET / HTTP/1.1\r\nHost:a\r\nX-One:  1 \r\nx-two:\t2\r\nX-ONE:3\r\nY:\r\n\r\n";

    [Fact]
    public void SetValue_OneLine_ChangesThatLineAlone()
    {
        var read = Heads.Request(Head);
        read.Fields.SetValue(2, "new");
        Assert.Equal("GET / HTTP/1.1\r\nHost:a\r\nX-One:  1 \r\nx-two: new\r\nX-ONE:3\r\nY:\r\n\r\n", read.Forwarded());
        Assert.Equal([new FieldChange("x-two", "2", "new")], read.Fields.Changes);
    }

    [Fact]
    public void Rename_OneLine_KeepsPlaceAndValue()
    {
        var read = Heads.Request(Head);
        read.Fields.Rename(1, "Cookie");
        Assert.Equal("GET / HTTP/1.1\r\nHost:a\r\nCookie: 1\r\nx-two:\t2\r\nX-ONE:3\r\nY:\r\n\r\n", read.Forwarded());
        Assert.Equal(KnownField.Cookie, read.Fields.Known(1));
        Assert.Equal([new FieldChange("X-One", "1", null), new FieldChange("Cookie", null, "1")], read.Fields.Changes);
        Assert.Throws<ArgumentException>(() => read.Fields.Rename(1, "a b"));
        read.Fields.Rename(2, "x-two");
        Assert.True(read.Fields.IsUntouched(2));
    }

    [Fact]
    public void SetValue_SameValue_LeavesTheLineUntouched()
    {
        var read = Heads.Request(Head);
        read.Fields.SetValue(1, " 1\t");
        Assert.Equal((Head, 0), (read.Forwarded(), read.Fields.ChangeCount));
    }

    [Fact]
    public void Set_DuplicatedName_KeepsTheFirstLine()
    {
        var read = Heads.Request(Head);
        read.Fields.Set("x-one", "9");
        Assert.Equal("GET / HTTP/1.1\r\nHost:a\r\nX-One: 9\r\nx-two:\t2\r\nY:\r\n\r\n", read.Forwarded());
    }

    [Theory]
    [InlineData("RFC 9110 §5.1", "", "a")]
    [InlineData("RFC 9110 §5.1", "X Y", "a")]
    [InlineData("RFC 9110 §5.1", "X:", "a")]
    [InlineData("RFC 9110 §5.1", "X\r\nY", "a")]
    [InlineData("RFC 9110 §5.1", "\u00E9", "a")]
    [InlineData("RFC 9110 §5.1", "\u0416", "a")]
    [InlineData("RFC 9110 §5.5", "X", "a\r\nTransfer-Encoding: chunked")]
    [InlineData("RFC 9110 §5.5", "X", "a\n")]
    [InlineData("RFC 9110 §5.5", "X", "\0")]
    [InlineData("RFC 9110 §5.5", "X", "\u007F")]
    [InlineData("RFC 9110 §5.5 U+010A is no LF in disguise", "X", "\u010A")]
    public void AddAndSet_WhatCannotStandInAHead_IsRefused(string clause, string name, string value)
    {
        var fields = Heads.Request(Head).Fields;
        Assert.True(Throws(() => fields.Add(name, value)) && Throws(() => fields.Set(name, value)), clause);
        Assert.Equal((5, 0), (fields.Count, fields.ChangeCount));

        static bool Throws(Action action) => Record.Exception(action) is ArgumentException;
    }

    [Fact]
    public void SetValue_NameThatWasTolerated_IsPossible()
    {
        var read = Heads.Response("HTTP/1.1 200 OK\r\nX[y]: 1\r\nX\u00E9: 2\r\n\r\n");
        read.Fields.SetValue(0, "3");
        Assert.Equal(1, read.Fields.Remove("x\u00E9"));
        Assert.Equal("HTTP/1.1 200 OK\r\nX[y]: 3\r\n\r\n", read.Forwarded());
    }

    [Fact]
    public void Load_LargeHeadThenSmallOne_ReleasesTheLargeBuffer()
    {
        var fields = new FieldSection();
        fields.Load(new byte[200_000]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        fields.Load(new byte[100]);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1000, 2000);
        Assert.Equal(100, fields.Received.Length);
    }

    [Fact]
    public void Received_AfterEdits_IsStillWhatCame()
    {
        var read = Heads.Request(Head);
        for (var i = 0; i < 200; i++)
        {
            read.Fields.Add("X-New", new string('a', i));
        }

        Assert.Equal(Head, Heads.Text(read.Fields.Received));
        Assert.Equal(205, read.Fields.Count);
    }

    // The model: a list of strings, each either the line as received or "name: value".
    [Fact]
    public void Edits_Random_DoWhatTheyDoToAListOfStrings()
    {
        var name = Gen.OneOf("X-A", "x-a", "X-B", "x-C", "Cookie", "Set-Cookie");
        var value = Gen.OneOf("", "1", "2", " 3 ", "a b", "\u00E9", "long long long long long long long");
        var received = Gen.Select(name, Gen.OneOf(":", ": ", ":  "), value, (n, s, v) => (Name: n, Raw: $"{n}{s}{v}\r\n", Value: v.Trim())).Array[0, 12];
        var edit = Gen.Select(Gen.Int[0, 4], name, value, Gen.Int[0, 20]);
        Gen.Select(received, edit.Array[0, 12]).Sample((lines, edits) =>
        {
            var start = "HTTP/1.1 200 OK\r\n";
            var read = Heads.Response(start + string.Concat(lines.Select(x => x.Raw)) + "\r\n");
            var model = lines.ToList();
            foreach (var (kind, editName, given, at) in edits)
            {
                var editValue = given.Trim();
                var index = model.Count == 0 ? -1 : at % model.Count;
                var same = model.FindIndex(x => Same(x.Name, editName));
                switch (kind)
                {
                    case 0:
                        read.Fields.Add(editName, given);
                        model.Add(Written(editName, editValue));
                        break;
                    case 1:
                        read.Fields.Set(editName, given);
                        var first = same < 0 ? Written(editName, editValue)
                            : model[same].Value == editValue ? model[same] : Written(model[same].Name, editValue);
                        model.RemoveAll(x => Same(x.Name, editName));
                        model.Insert(same < 0 ? model.Count : same, first);
                        break;
                    case 2:
                        Assert.Equal(model.RemoveAll(x => Same(x.Name, editName)), read.Fields.Remove(editName));
                        break;
                    case 3 when index >= 0:
                        read.Fields.RemoveAt(index);
                        model.RemoveAt(index);
                        break;
                    case 4 when index >= 0:
                        read.Fields.SetValue(index, given);
                        model[index] = model[index].Value == editValue ? model[index] : Written(model[index].Name, editValue);
                        break;
                }
            }

            Assert.Equal(start + string.Concat(model.Select(x => x.Raw)) + "\r\n", read.Forwarded());
            Assert.Equal(model.Select(x => (x.Name, x.Value)), read.Fields.ToList().Select(x => (x.Key, x.Value)));
            Assert.Equal(model.FirstOrDefault(x => Same(x.Name, "x-A")).Value, read.Fields.Get("x-A"));
        });

        static bool Same(string left, string right) => left.Equals(right, StringComparison.OrdinalIgnoreCase);
        static (string Name, string Raw, string Value) Written(string name, string value) => (name, $"{name}: {value}\r\n", value);
    }
}
