#!/usr/bin/python3
"""What is kept of people besides their messages, with a real client library: vCards, photos, private XML, last activity."""
import asyncio
import datetime
import hashlib
import logging

from harness import romeo_and_juliet, scenarios
from slixmpp.exceptions import IqError
from slixmpp.plugins.xep_0048 import Bookmarks
from test_chat import Person

logging.disable(logging.CRITICAL)
PHOTO = b'\x89PNG not really an image \x00\xff' * 200
CONTACT = '''
[contact]
abuse = ["mailto:abuse@example.org", "xmpp:abuse@example.org"]
support = ["https://example.org/support"]
'''


class Owner(Person):
    def __init__(self, deployment, name):
        super().__init__(deployment, name, 'secret')
        for plugin in ('xep_0012', 'xep_0048', 'xep_0049', 'xep_0054', 'xep_0128', 'xep_0153', 'xep_0202'):
            self.register_plugin(plugin)


async def _log_in(deployment, name):
    person = Owner(deployment, name)
    await asyncio.wait_for(person.ready.wait(), 20)
    return person


async def _befriend(romeo, juliet):
    romeo.send_presence_subscription('juliet@localhost', ptype='subscribe')
    await juliet.next_presence('subscribe', 'romeo@localhost')
    await romeo.next_presence('available', 'juliet@localhost')


async def _refused(condition, request):
    try:
        await request
    except IqError as error:
        assert error.condition == condition, (error.condition, condition)
        return
    raise AssertionError(f'it was not refused with {condition}')


def _play(play, extra=''):
    with romeo_and_juliet(extra=extra) as deployment:
        asyncio.get_event_loop().run_until_complete(play(deployment))


def a_vcard_is_read_by_others_while_its_owner_is_away():
    async def play(deployment):
        romeo = await _log_in(deployment, 'romeo')
        juliet = await _log_in(deployment, 'juliet')
        vcard = juliet['xep_0054'].make_vcard()
        vcard['FN'] = 'Juliet Capulet & daughters'
        await juliet['xep_0054'].publish_vcard(vcard)
        own = await juliet['xep_0054'].get_vcard(cached=False)
        assert own['vcard_temp']['FN'] == 'Juliet Capulet & daughters', own
        await juliet.disconnect()
        theirs = await romeo['xep_0054'].get_vcard('juliet@localhost', cached=False)
        assert theirs['vcard_temp']['FN'] == 'Juliet Capulet & daughters', theirs
        await _refused('service-unavailable', romeo['xep_0054'].get_vcard('nobody@localhost', cached=False))
        await romeo.disconnect()

    _play(play)


def presence_tells_contacts_of_a_new_photo():
    async def play(deployment):
        romeo = await _log_in(deployment, 'romeo')
        juliet = await _log_in(deployment, 'juliet')
        await _befriend(romeo, juliet)
        vcard = juliet['xep_0054'].make_vcard()
        vcard['PHOTO']['TYPE'] = 'image/png'
        vcard['PHOTO']['BINVAL'] = PHOTO
        await juliet['xep_0054'].publish_vcard(vcard)
        juliet.del_filter('out', juliet['xep_0153']._update_presence)  # a client that does not know of it
        juliet.send_presence(pstatus='with a photo')
        while True:
            presence = await romeo.next_presence('available', 'juliet@localhost')
            if presence['status'] == 'with a photo':
                break
        assert presence['vcard_temp_update']['photo'] == hashlib.sha1(PHOTO).hexdigest(), presence
        theirs = await romeo['xep_0054'].get_vcard('juliet@localhost', cached=False)
        assert theirs['vcard_temp']['PHOTO']['BINVAL'] == PHOTO
        await juliet.disconnect()
        await romeo.disconnect()

    _play(play)


def bookmarks_outlive_the_server():
    async def play(deployment):
        romeo = await _log_in(deployment, 'romeo')
        bookmarks = Bookmarks()
        bookmarks.add_conference('room@conference.localhost', 'Romeo', autojoin=True)
        await romeo['xep_0048'].set_bookmarks(bookmarks, method='xep_0049')
        await romeo.disconnect()
        deployment.restart('run')
        romeo = await _log_in(deployment, 'romeo')
        kept = await romeo['xep_0048'].get_bookmarks(method='xep_0049')
        rooms = kept['private']['bookmarks']['conferences']
        assert [(str(room['jid']), room['nick']) for room in rooms] == [('room@conference.localhost', 'Romeo')], kept
        await romeo.disconnect()

    _play(play)


def contacts_learn_when_somebody_left():
    async def play(deployment):
        romeo = await _log_in(deployment, 'romeo')
        juliet = await _log_in(deployment, 'juliet')
        await _refused('service-unavailable', romeo['xep_0012'].get_last_activity('juliet@localhost'))
        await _befriend(romeo, juliet)
        now = await romeo['xep_0012'].get_last_activity('juliet@localhost')
        assert now['last_activity']['seconds'] == 0, now
        juliet.send_presence(ptype='unavailable', pstatus='Heading Home')
        await juliet.disconnect()
        await romeo.next_presence('unavailable', 'juliet@localhost')
        await asyncio.sleep(1.2)
        away = await romeo['xep_0012'].get_last_activity('juliet@localhost')
        assert 1 <= away['last_activity']['seconds'] < 20, away
        assert away['last_activity']['status'] == 'Heading Home', away
        uptime = await romeo['xep_0012'].get_last_activity('localhost')
        assert 1 <= uptime['last_activity']['seconds'] < 100, uptime
        await romeo.disconnect()

    _play(play)


def the_server_says_what_it_is():
    async def play(deployment):
        romeo = await _log_in(deployment, 'romeo')
        info = (await romeo['xep_0030'].get_info('localhost', cached=False))['disco_info']
        assert {'vcard-temp', 'jabber:iq:private', 'jabber:iq:last', 'urn:xmpp:time'} <= set(info['features']), info
        fields = info['form']['values']
        assert fields['FORM_TYPE'] in ('http://jabber.org/network/serverinfo', ['http://jabber.org/network/serverinfo'])
        assert 'mailto:abuse@example.org' in fields['abuse-addresses'], fields
        own = (await romeo['xep_0030'].get_info('romeo@localhost', cached=False))['disco_info']
        assert ('account', 'registered') in {identity[:2] for identity in own['identities']}, own
        assert 'vcard-temp' in own['features'] and 'jabber:iq:version' not in own['features'], own
        told = await romeo['xep_0202'].get_entity_time('localhost')
        utc = told['entity_time'].xml.find('{urn:xmpp:time}utc').text  # of which this library reads what ends in no Z
        lag = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(utc)
        assert utc.endswith('Z') and abs(lag.total_seconds()) < 20, utc
        await romeo.disconnect()

    _play(play, CONTACT)


if __name__ == '__main__':
    scenarios(a_vcard_is_read_by_others_while_its_owner_is_away, presence_tells_contacts_of_a_new_photo,
              bookmarks_outlive_the_server, contacts_learn_when_somebody_left, the_server_says_what_it_is)
