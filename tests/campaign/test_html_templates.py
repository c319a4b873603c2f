"""HTML that is a template: tags of mailers and engines, which are left as they are."""

from urllib.parse import quote

import pytest
from campaign.scanned import only, values

from linkproxy.campaign.html import scan


@pytest.mark.parametrize(
    "tag",
    [
        b'{{ index . "url" }}',
        b"{{{ url }}}",
        b'{% url "a" %}',
        b'<%= f("x") > 1 %>',
        b"*|UNSUB|*",
        b'[[data:url:"x"]]',
        b"[% url %]",
        b"%%view_email_url%%",
        b'%%=RedirectTo("x")=%%',
        b"${url}",
        b"#{url}",
        b"{unsubscribe}",
        b"%UNSUBSCRIBELINK%",
        b"[unsubscribe]",
        b"%7B%7Burl%7D%7D",
        b"*%7CUNSUB%7C*",
        b"@@url@@",
        b"[FIRSTNAME]",
        b"[firstname,fallback=there]",
        b"[subscriber:name | default:reader]",
        b"[*data.name*]",
        b"%5BEMAIL%5D",
        b"%7Bcontactfield%3Did%7D",
        b"%3C%25%3D%20id%20%25%3E",
        b"{$name}",
        b"{!Contact.Id}",
        b"$[FNAME]$",
        b"$FIRST_NAME$",
        b"@FIRSTNAME@",
        b"#SPCLICKTOVIEW#",
        b"~~eloqua..type--emailfield..~~",
        b"%(user_optionsurl)s",
        b"%%[ output(v(@url)) ]%%",
        b"%%FNAME||Friend%%",
        b"%%!unsubscribe_url%%",
        b"%user_id%",
        b"%name%",
        b"%date%",
        b"%SOCIALSHARE-URL%",
        b"%1$s",
        b"{0}",
        b"{!!$url!!}",
        b"{!contact:id;}",
        b"$!recipient.id",
        b"~Contact.Id~",
        "\xabFirst_Name\xbb".encode(),
        b"%C2%ABFirst_Name%C2%BB",
        b"$First Name$",
        b"#First Name#",
        b"%%$first%%",
        b"@(Model.Link)",
        b"%1$d",
        b"__EMAIL__",
        b"__CUSTOMER_ID__",
        b"*EMAIL*",
        b"~~NAME~~",
    ],
)  # fmt: skip
def test_merge_tags_are_known_alone_and_inside_of_a_url(tag):
    whole, part, plain = scan(
        b'<a href="%s">1</a><a href="https://x.example/%s?q=1">2</a><a href="https://x.example/">3</a>'
        % (tag, tag)
    ).links
    assert (whole.merge_tag, part.merge_tag, plain.merge_tag) == ("whole", "part", "")
    assert whole.raw == tag


@pytest.mark.parametrize(
    "tag",
    [
        "*|EMAIL|*", "{{ id }}", "{{ id | default: 1 }}", "{% url x %}", "<%= id %>", "[[data:id]]", "[[ id ]]",
        "[% id %]", "%%id%%", "${ user.id }", "{name}", "{$name}", "{contactfield=id}", "{!!$id!!}", "{0}",
        "[NAME]", "[name,fallback=]", "[*data.name*]", "%NAME%", "$NAME$", "$First Name$", "$!name",
        "$[UD:EMAIL]$", "*EMAIL*", "<<First Name>>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kept", ["", "@/:=?;#%&,+!*'()"])  # by those who encode all, and by libxml2
def test_merge_tags_are_known_percent_encoded_too(tag, kept):
    encoded = quote(tag, safe=kept)
    urls = f"https://x.example/{encoded}?q=1", f"https://x.example/?a=1&amp;q={encoded}&amp;b=2"
    assert [only(b'<a href="%s">' % url.encode()).merge_tag for url in urls] == ["part", "part"]


@pytest.mark.parametrize("url", ["https://x.example/?id=-customerID-", "https://x.example/-user_id-/a?b=1"])
def test_a_word_between_hyphens_is_a_merge_tag_where_it_is_all_of_a_value(url):
    assert only(b'<a href="%s">' % url.encode()).merge_tag == "part"


@pytest.mark.parametrize(
    ("url", "merge_tag"),
    [
        ("$link.url", "whole"),
        ("$link.to('a')", "part"),
        ("https://x.example/?u=$user.id&amp;x=1", "part"),
        ("https://x.example/$user.id/x", "part"),
        ("https://x.example/@Model.Id?x=1", "part"),
    ],
)
def test_references_of_velocity_and_razor_are_merge_tags(url, merge_tag):
    assert only(b'<a href="%s">' % url.encode()).merge_tag == merge_tag


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example/%E2%82%AC",
        "https://x.example/%C3%A9t%C3%A9?a[0]=1",
        "https://x.example/a*b|c",
        "https://x.example/50%25%25",
        "https://x.example/%ABC%20",
        "https://x.example/?filter[name]=1&amp;filter%5Bsize%5D=2&amp;a[B][c]=3&amp;FIELD[NAME]=4",
        "https://[fe80::1]/[x]",
        "https://x.example/?low=$10&amp;high=$20#part",
        "https://x.example/Outer$Inner$Deep.html",
        "https://x.example/@ann/posts/@bob",
        "https://x.example/$brand?$filter=a&amp;$top=5",
        "https://x.example/@Model/@Ann.Lee",
        "https://x.example/?q={%22a%22:1}",
        "https://x.example/?q=%C2%ABUn%20mot%C2%BB",
        "https://x.example/?text=%C2%ABBonjour%C2%BB",
        "https://x.example/100%sure?off=50%off%20",
        "https://x.example/caf%c3%a9-%dade%20",
        "https://x.example/~ann/~bob",
        "https://x.example/~ann.lee/x~",
        "https://x.example/__init__?__EVENT=1&amp;a__B__c=2",
        "https://x.example/web/*/https:/?q=*SHOES",
        "https://x.example/-/issues/-new?a=-1-&amp;b=-x&amp;c=x-&amp;d=-x-y-",
        "https://x.example/Doc.aspx?sourcedoc=%7BA0B1C2D3-1234-5678-9ABC-DEF012345678%7D",
        "https://x.example/?box=%5B%5B1,2%5D,%5B3,4%5D%5D&amp;filter%5Bname%5D=%5B%22a%22%5D",
        "https://x.example/?q=%3Cb%3E+%7B%22a%22:%7B%22b%22:1%7D%7D+50%25%25+%23tag%23",
    ],
)
def test_ordinary_urls_are_not_taken_for_merge_tags(url):
    assert only(b'<a href="%s">' % url.encode()).merge_tag == ""


def test_both_hrefs_under_a_template_condition_are_live():
    assert values(b'<a {{#if x}}href="a"{{else}}href="b"{{/if}} class=c>') == ["a", "b"]
    assert values(b'<a {% if x > 1 %}href="a"{% else %}href="b"{% endif %}>') == ["a", "b"]
    assert values(b'<a href="a" {{ attributes }} href="b">') == ["a"]


def test_quotes_and_brackets_of_template_tags_end_nothing():
    assert values(b'<p class="{{ "x" }}" {% if a > b %}title="y"{% endif %}><a href=1>') == ["1"]
    assert only(b"<a href={{url}}/x>").raw == b"{{url}}/x"


def test_what_stands_in_a_block_of_ampscript_is_no_markup():
    block = b"%%[ set @x = Concat('<a href=\"https://x.example/', @id, '\">') ]%%"
    assert values(block + b"<p>a</p><a href=1>") == ["1"]
    assert values(b'<a %%[ if @x > 1 then ]%% href="a" %%[ else ]%% href="b" %%[ endif ]%%>') == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        b"{%% blocktranslate %%}%s{%% endblocktranslate %%}",
        b"{%%- blocktrans trimmed with x=1 -%%}a %s b{%%- endblocktrans -%%}",
        b"{%% trans %%}%s{%% pluralize %%}%s{%% endtrans %%}",
    ],
)
def test_a_link_in_a_text_that_is_translated_is_left_alone(text):
    """The text is looked up as it stands: with another URL in it there is no translation."""
    link = b"<a href='https://x.example/'>x</a>"
    found = scan(link + text.replace(b"%s", link).replace(b"%%", b"%") + link).links
    assert [item.merge_tag for item in found] == ["", *["translated"] * text.count(b"%s"), ""]


def test_a_tag_that_holds_its_text_itself_begins_no_translation():
    html = b"{% trans 'Hello' %}<a href='https://x.example/'>x</a>{% translate 'Bye' %}"
    assert only(html).merge_tag == ""


def test_php_in_a_url_is_a_merge_tag():
    assert only(b'<a href="https://x.example/?id=<?php echo $id; ?>">').merge_tag == "part"
    assert only(b'<a href="<?= $url ?>">').merge_tag == "whole"


def test_markup_in_the_code_of_php_is_no_markup():
    """To HTML the tag ends at the first bracket; what was put behind it broke the code."""
    code = b"""<?php foreach ($all as $key => $one) { echo "<div><a href='https://x.example/'>$one</a></div>"; } ?>"""
    assert values(code + b"<a href=1>") == ["1"]
    assert values(b"<a class='<?= $new ? 'a' : \"b\" ?>' href=1>") == ["1"]
    assert values(b"<?php never closed <p><a href=1>") == ["1"]


def test_an_opener_that_is_never_closed_hides_nothing():
    assert values(b"<p>{{ <a href=1>" + b"x" * 3000 + b"</a> }}") == ["1"]
    assert values(b"50%% off <a href=1>and</a> 20%% more") == ["1"]
    assert values(b"*| <a href=1> |*") == ["1"]
    assert values(b"[[ <a href=1>Shop now</a> ]]") == ["1"]
    assert values(b"%%[ <a href=1>" + b"x" * 20_000 + b"</a> ]%%") == ["1"]
