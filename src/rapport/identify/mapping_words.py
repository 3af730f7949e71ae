"""The words by which columns of companies' files are named, and words that tell what stands in them.

Why it exists: `rapport map` proposes a mapping from names and contents; both rest on these lists, in English, German,
French and Spanish with usual abbreviations. Only words: nothing is weighed here. Words are written without accents,
in small letters and, in names of columns, without what parts them.
"""

from __future__ import annotations

PERSON_NAMES: dict[str, str] = {
    "record_id": "recid recordid rowid id customerid custid customerno customernumber customernr customer memberid "
    "memberno clientid clientno userid contactid contactkey personid personkey patientid partyid partykey "
    "accountno accountnumber uid uuid guid ident identifier key pk kundennr kundennummer kundenid kdnr "
    "knr personennr mitgliedsnr mitgliedsnummer partnernr nr idclient numclient noclient codeclient "
    "identifiant numeroclient idcliente numcliente codcliente codigocliente numerocliente customerkey "
    "custno custnum customercode clientcode memberkey leadid subscriberid index unnamed0 vendorid "
    "supplierid ref reference",
    "full_name": "name fullname customername clientname personname contactname displayname nombrecompleto nomcomplet "
    "vollername kundenname ansprechpartner contact nomprenom nombreyapellidos nomclient nombrecliente "
    "fulname wholename namefull membername recipient empfaenger",
    "given_name": "givenname first firstname fname forename vorname vname vn prenom nombre nombres prenoms "
    "christianname firstnm fstname givennames nombrepila nombredepila namefirst rufname",
    "middle_name": "middlename middle mname middleinitial mi zweitname zweitervorname secondname segundonombre "
    "deuxiemeprenom namemiddle",
    "surname": "surname last lastname lname familyname family nachname nname zuname familienname nn nom nomfamille "
    "nomdefamille apellido apellidos primerapellido lastnm secondapellido sname namelast",
    "gender": "gender sex geschlecht sexe sexo genre anrede civilite genero salutation",
    "birth_date": "birthdate dateofbirth dob birthday bday born birthdt geburtsdatum gebdat geburtstag gebdatum gebd "
    "datenaissance datedenaissance naissance ddn fechanacimiento fechadenacimiento nacimiento fechanac "
    "birth dtbirth datebirth",
    "email": "email mail emailaddress mailaddress emailadresse mailadresse courriel correo correoelectronico "
    "adressemail adresseemail emailaddr eml emailid",
    "phone": "phone telephone tel telefon mobile mobil cell cellphone handy phonenumber phoneno telefonnummer "
    "telnr mobilephone mobilenumber mobileno handynummer mobiltelefon rufnummer telefono movil celular "
    "portable telephoneportable telephonefixe telefonofijo telefonomovil landline msisdn ph telno "
    "telnumber gsm numerotelephone numtel fone contactnumber festnetz",
    "address": "address addr fulladdress postaladdress adresse anschrift adressecomplete direccion direccioncompleta "
    "mailingaddress streetaddresscitystate domicilio postadresse",
    "house_number": "housenumber houseno hausnummer hausnr hnr streetnumber streetno streetnr numero numerorue "
    "numerocalle numvoie numerovoie housenr stnumber stno civicnumber",
    "street": "street streetname streetaddress address1 addressline1 addr1 addrline1 line1 strasse str rue voie "
    "calle via adresse1 direccion1 streetline1 street1 strassehausnummer adressligne1 adresseligne1 road "
    "strname stname ligne1",
    "unit": "unit address2 addressline2 addr2 addrline2 line2 flat apartment apt suite adresse2 adressezusatz "
    "zusatz complement complementadresse piso puerta direccion2 unitnumber aptno street2 adresszusatz "
    "ligne2 flatno building tuer stiege top box",
    "city": "city town suburb locality ort stadt wohnort ville ciudad localidad municipio commune poblacion place "
    "municipality cityname gemeinde villecommune",
    "region": "region state province county stateprovince statecode bundesland kanton departement provincia estado "
    "comunidad territory regionname provinceid land canton st",
    "postal_code": "postalcode postcode zip zipcode plz postleitzahl codepostal cp codigopostal cpostal zip5 pcode "
    "postalcd pc postzip",
    "country": "country countrycode countryname land pays pais nation staat ctry countryiso laendercode landcode "
    "codepays codigopais iso2",
    "person_number": "personnumber socsecid ssn socialsecurity socialsecuritynumber socialsecurityno "
    "nationalid nationalno "
    "svnr svnummer sozialversicherungsnummer nir numsecu numerosecu dni nif nie nino personalnumber "
    "passport passportno sin nationalinsurance steuerid insurancenumber govid taxpayerid medicare",
    "card_number": "cardnumber card cardno loyaltycard loyaltyid loyaltynumber loyaltyno "
    "kartennummer kundenkarte karte "
    "kartennr numerocarte carte cartefidelite tarjeta numerotarjeta cardid bonuscard clubcard memberscard "
    "loyaltycardno loyaltycardnumber",
    "device_id": "deviceid device cookie cookieid visitorid anonymousid idfa gaid adid clientcookie gaclientid "
    "browserid sessionid fingerprint geraeteid",
    "household_id": "householdid household hhid hh haushalt haushaltsid haushaltsnr foyer idfoyer hogar idhogar "
    "householdkey hhkey familyid",
    "organisation": "organisation organization company companyname firma firmenname firmname unternehmen business "
    "businessname societe raisonsociale entreprise empresa razonsocial nombreempresa org orgname "
    "organisationname organizationname corporation employer accountname merchant vendor vendorname "
    "supplier suppliername lieferant tradingname legalname organismo nomentreprise brandname employername",
    "tax_number": "taxnumber vat vatnumber vatid vatno uid uidnummer ustid ustidnr ustidnummer umsatzsteuerid "
    "steuernummer taxid taxno ein duns dunsnumber dunsno siret siren cif nifempresa numerotva tva numtva "
    "tvaintra abn acn crn companynumber companyno registrationnumber regno handelsregister hrb "
    "firmenbuchnummer fn lei cnpj companyregno",
    "website": "website web url homepage webseite siteweb site sitioweb paginaweb domain internet webaddress www",
    "account_id": "accountid companyid organisationid organizationid orgid firmaid firmennr firmenid parentaccountid "
    "employerid idempresa idsociete parentid",
    "job_title": "jobtitle title position role job jobrole occupation beruf funktion stelle poste fonction cargo "
    "puesto titel designation profession",
    "updated_at": "updatedat updated lastupdated modified modifiedat lastmodified lastmodifieddate "
    "changedat lastchange "
    "geaendertam aktualisiert letzteaenderung modifiele misajour datemaj actualizado fechaactualizacion "
    "fechamodificacion timestamp updatedate updatets modifieddate lastupdate mtime changed systemmodstamp "
    "geaendert lastspoken lastseen lastcontact",
}
"""Rapport's column -> names of columns that say it."""

SOURCE_NAMES: dict[str, str] = {
    "customer_id": "customerid custid customer customerno customernumber customernr memberid "
    "memberno clientid userid "
    "cardholder shopperid buyerid personid contactid kundennr kundennummer kundenid kdnr idclient "
    "noclient codeclient idcliente numcliente codigocliente accountid accountno id custno customerkey "
    "client kunde cliente cid user uid householdid householdkey hhid household memberkey loyaltyid "
    "cardnumber cardno custkey clientno visitorid account caller",
    "household_id": "householdid household hhid householdkey haushalt haushaltsid haushaltsnr foyer "
    "idfoyer hogar idhogar",
    "basket_id": "basketid basket transactionid transid orderid orderno ordernumber invoiceno invoiceid invoice "
    "invoicenumber order receiptid receiptno receipt ticketid ticket tripid belegnr bonnr bon bestellnr "
    "bestellnummer rechnungsnr rechnungsnummer kassenbon commandeid numcommande commande facture "
    "idcommande numticket pedido idpedido numpedido factura numfactura tickets transaction trxid orderkey "
    "salesid",
    "product_id": "productid product sku upc ean gtin articleid articleno article itemid itemno itemnumber itemcode "
    "stockcode artikelnr artikelnummer artikel artnr produktid produktnr idproduit produit codeproduit "
    "refproduit idproducto producto codigoproducto articulo codigoarticulo prodid productcode plu asin "
    "barcode partno productkey referencia",
    "at": "at timestamp transactiontimestamp datetime date transactiondate orderdate orderedat purchasedate "
    "saledate invoicedate createdat time day redemptiondate redeemedat datum kaufdatum bestelldatum "
    "rechnungsdatum zeit zeitpunkt dateachat datecommande datefacture horodatage fecha fechacompra "
    "fechapedido fechafactura trxdate occurredat eventtime contactdate salesdate dt redeemed when "
    "postingdate belegdatum",
    "sales": "sales salesvalue salesamount amount revenue turnover total totalprice lineamount linetotal netamount "
    "grossamount paid value spend umsatz betrag summe gesamtpreis gesamtbetrag montant ttc totalttc prix "
    "chiffreaffaires importe monto ventas valor netsales price totalamount amt dollars extendedprice "
    "lineprice",
    "quantity": "quantity qty units count menge anzahl stueck quantite qte cantidad cant unidades numberofunits "
    "pieces",
    "discount": "discount retaildisc disc discountamount rabatt nachlass remise reduction descuento rebate "
    "retaildiscount loyaltydiscount markdown discountvalue",
    "coupon": "coupon coupondisc couponmatchdisc coupondiscount couponvalue gutschein gutscheinwert bonreduction "
    "cupon vouchervalue voucher couponamount",
    "store_id": "storeid store storeno storenumber shopid shop branch branchid filiale filialnr filialid markt "
    "marktnr magasin idmagasin tienda idtienda sucursal outlet location locationid siteid pos",
    "item": "item producttype itemname productname description productdescription subcategory subcommodity "
    "itemtype artikelbezeichnung bezeichnung produktname designation libelle nomproduit descripcion "
    "nombreproducto subcommoditydesc commodity title producttitle artikelname",
    "category": "category productcategory commodity commoditydesc categoryname class warengruppe kategorie categorie "
    "famille categoria familia itemcategory group productgroup categ",
    "department": "department dept departmentname division section abteilung bereich rayon departement departamento "
    "seccion sortiment sector",
    "brand": "brand brandname marke marque marca manufacturer label hersteller fabricant fabricante make",
    "coupon_id": "couponid coupon couponupc couponcode vouchercode voucherid voucher gutscheinid "
    "gutscheincode offerid "
    "promocode codepromo cuponid codigocupon couponno",
    "campaign_id": "campaignid campaign campaigncode kampagne kampagnenid kampagnennr mailingid campagne idcampagne "
    "campana idcampana promotionid promoid",
    "kind": "kind type campaigntype interactiontype contacttype eventtype channel art typ kategorie typecampagne "
    "tipo reason contactreason event description action",
    "starts": "starts start startdate startsat startday begins begin begindate validfrom von beginn startdatum "
    "debut datedebut inicio fechainicio fromdate datestart",
    "ends": "ends end enddate endsat endday validto validuntil bis ende enddatum fin datefin fechafin finish "
    "todate dateend",
    "cost": "cost costs amount kosten cout costo coste servicecost handlingcost expense",
}
"""Rapport's column -> names of columns of purchases, products and the like that say it."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BETTER_NAMES: dict[str, frozenset[str]] = {
    "customer_id": _words("cardno cardnumber hhid household householdid householdkey id personid uid user"),
    "sales": _words("dollars price prix total valor value"),
    "kind": _words("action channel description event reason"),
    "record_id": _words("customer index key nr ref reference uid unnamed0"),
    "surname": _words("last nn nom"),
    "given_name": _words("first nombre vn"),
    "item": _words("commodity description designation title"),
    "at": _words("day dt time when"),
    "region": _words("land st"),
    "category": _words("class commodity group"),
    "brand": _words("hersteller label make manufacturer"),
}
"""Names that say a column only where no better one is there."""

SETTING_APART = _words(
    """customer cust client contact person personal user member kunde kunden cliente primary main default home work
    private business office billing shipping delivery invoice current first1 field col column txt str value the
    of de la du des del el no num crm legal raw src source my privat geschaeftlich dienstlich preferred alt
    alternate alternative secondary other second 1 2 3 4 5"""
)
"""Words of a column's name that may be left out of it."""

GIVEN_NAMES = _words(
    """james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony
    mark donald steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan
    jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander
    raymond patrick jack dennis jerry tyler aaron jose adam henry nathan douglas zachary peter kyle walter ethan
    jeremy harold keith christian roger noah gerald carl terry sean austin arthur lawrence jesse dylan bryan joe
    jordan billy bruce albert willie gabriel logan alan juan wayne roy ralph randy eugene vincent russell elijah
    louis bobby philip johnny mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa
    nancy betty margaret sandra ashley kimberly emily donna michelle carol amanda dorothy melissa deborah
    stephanie rebecca sharon laura cynthia kathleen amy angela shirley anna brenda pamela emma nicole helen
    samantha katherine christine debra rachel carolyn janet catherine maria heather diane ruth julie olivia
    joyce virginia victoria kelly lauren christina joan evelyn judith megan andrea cheryl hannah jacqueline
    martha gloria teresa ann sara madison frances kathryn janice jean abigail alice julia judy sophia grace
    denise amber doris marilyn danielle beverly isabella theresa diana natalie brittany charlotte marie kayla
    alexis lori oliver harry charlie liam lachlan cooper joel mitchell jasmine chloe ella georgia isabelle
    amelia mia lucy zoe holly caitlin hans klaus juergen jurgen wolfgang helmut dieter manfred uwe stefan
    andreas matthias markus thorsten torsten karl heinz guenter gunter werner gerhard bernd rainer ralf sabine
    petra monika ursula renate gisela brigitte ingrid heike birgit susanne claudia katrin kathrin anja nadine
    lena lea leonie jonas lukas felix maximilian moritz leon finn jan florian sebastian tobias philipp johannes
    franz josef anton greta hannelore elke ute jutta silke martina tanja pierre michel andre philippe alain
    bernard jacques christophe francois nicolas julien laurent olivier antoine guillaume camille manon sylvie
    nathalie valerie sandrine francoise monique jeanne helene celine aurelie emilie claire juliette mathilde
    elodie pauline lucas hugo theo luc louise luis carlos miguel pedro javier manuel francisco antonio jesus
    rafael fernando sergio pablo jorge alberto diego alvaro raul ruben carmen isabel pilar dolores josefa rosa
    lucia marta elena cristina ana mercedes beatriz raquel silvia sofia paula alba irene rocio nuria luisa
    concepcion giovanni marco luca francesco giulia chiara giuseppe mario ivan dmitri sergei olga svetlana
    natalia tatiana mohammed mohamed ahmed ali hassan fatima aisha wei li ming hiroshi yuki raj amit priya
    deepak jin kim"""
)
"""Given names that are common in several countries: enough of them in a column tell names of people."""

LEGAL_FORMS = _words(
    """gmbh ag kg ohg gbr ug ev eg mbh se inc incorporated llc llp lp ltd limited plc corp corporation co company
    pty sa sarl sas sasu eurl snc sl slu sau srl spa sca bv nv oy ab as aps kft doo sp zoo"""
)
"""Forms of companies as they stand at the end of a name."""

BUSINESS_WORDS = _words(
    """restaurant cafe grill bar hotel bank university universitat college institute school hospital clinic group
    holding holdings services service solutions systems software technologies technology consulting partners
    partner associates foundation association society bakery store stores shop market pharmacy apotheke
    baeckerei autohaus werke werk verlag handel international industries industry manufacturing logistics
    transport trading energy insurance versicherung sparkasse praxis kanzlei immobilien bau bistro pizzeria
    kitchen steakhouse deli bros sons studio media agency agencia agence boulangerie pharmacie banque assurances
    editions ediciones construcciones talleres hermanos supermercado supermarket center centre club museum
    council ministry department laboratory labs global"""
)
"""Words that stand in the names of businesses and not of people."""

STREET_WORDS = _words(
    """street st road rd avenue ave av lane ln drive dr boulevard blvd court ct place pl square sq terrace tce
    crescent cres close circuit cct parade pde highway hwy way rue chemin impasse allee quai calle avenida paseo
    plaza camino carrer via gasse weg platz ring damm ufer strasse str"""
)
"""Words of streets; German ones also end a word."""

COUNTRIES = _words(
    """usa us uk gb de at ch fr es it nl be lu dk se no fi pl cz sk hu si hr pt ie ca au nz mx br ar cl co jp cn in
    kr sg za germany deutschland austria oesterreich osterreich switzerland schweiz france espana spain italy
    italia italien netherlands niederlande belgium belgien belgique portugal ireland denmark sweden norway
    finland poland czechia hungary canada australia mexico brazil japan china india allemagne autriche suisse
    espagne frankreich spanien alemania francia suiza deu aut che fra esp ita gbr can aus nld bel"""
) | {"united states", "united kingdom", "great britain", "new zealand", "united states of america"}
"""Names and codes of countries that sources write most."""

GENDERS = _words(
    """m f w d x male female man woman maennlich mannlich weiblich divers diverse homme femme hombre mujer masculin
    feminin masculino femenino mr mrs ms herr frau monsieur madame mme senor senora other unknown u non-binary
    nonbinary"""
)
"""How genders, and salutations that tell them, are written."""

STREET_ENDINGS = ("strasse", "straße", "str.", "gasse", "weg", "platz", "allee", "ufer", "damm", "ring")
